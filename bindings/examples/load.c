/* Takes a compile from the cache, or runs it and keeps the result, by a library that is loaded and not linked: cc -o load load.c -ldl; ./load gcc -c a.c
 * SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <cchain.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs what the library wants to be run, and takes its streams. */
static cc_task_result run(const cc_task *task) {
  int status = 127 << 8, out = memfd_create("out", 0), err = memfd_create("err", 0);
  pid_t child = fork();
  if (child == 0) {
    for (const char *const *e = task->env; e && *e; e++) putenv((char *)*e);
    if (dup2(out, 1) >= 0 && dup2(err, 2) >= 0 && chdir(task->cwd) == 0) execvp(task->argv[0], (char *const *)task->argv);
    _exit(127);
  }
  if (child > 0) waitpid(child, &status, 0);
  cc_task_result r = {sizeof r, .exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
  r.stdout_size = lseek(out, 0, SEEK_END), r.stdout_data = mmap(NULL, r.stdout_size + 1, PROT_READ, MAP_PRIVATE, out, 0);
  r.stderr_size = lseek(err, 0, SEEK_END), r.stderr_data = mmap(NULL, r.stderr_size + 1, PROT_READ, MAP_PRIVATE, err, 0);
  return r;
}

int main(int argc, char **argv) {
  if (argc < 2) return fputs("usage: load COMPILER WORD...\n", stderr), 2;
  void *library = dlopen("libcchain.so.0", RTLD_NOW);
  const cc_backend *(*get)(uint32_t) = library ? (const cc_backend *(*)(uint32_t))dlsym(library, "cc_backend_get") : NULL;
  const cc_backend *cc = get ? get(1) : NULL; /* all of cchain.h as one table */
  cc_cache *cache;
  cc_invocation *inv;
  cc_result result = {sizeof result};
  /* Whatever is wrong with the cache, the compile goes on. */
  if (!cc || cc->open(NULL, &cache) || cc->parse_argv(cache, argc - 1, (const char *const *)argv + 1, NULL, &inv)) return execvp(argv[1], argv + 1), 127;
  for (cc_task task = {sizeof task}; cc->lookup(cache, inv, NULL, &result) <= 0;) { /* a miss: run what it takes to know more, and at last the compile */
    if (cc->task(cache, inv, &task) || task.kind == CC_TASK_NONE) continue;
    cc_task_result ran = run(&task);
    if (task.kind != CC_TASK_COMPILE && !cc->task_done(cache, inv, &ran)) continue;
    cc->result_clear(&result);
    result = (cc_result){sizeof result, 0, ran.exit_status, 0, ran.stdout_data, ran.stdout_size, ran.stderr_data, ran.stderr_size};
    cc->store(cache, inv, &result, NULL);
    break;
  }
  fwrite(result.stdout_data, 1, result.stdout_size, stdout);
  fwrite(result.stderr_data, 1, result.stderr_size, stderr);
  cc->close(cache);
  return result.exit_status;
}
