/* Takes a compile from the cache, or runs it and keeps the result, by a library that is loaded and not linked: cc -o load load.c -ldl; ./load gcc -c a.c
 * SPDX-License-Identifier: Apache-2.0 */
#include <cchain.h>
#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

/* Runs what the library wants to be run, and takes its streams. */
static cc_task_result run(const cc_task *task) {
  cc_task_result r = {sizeof r};
  int status = 127 << 8, fd[2] = {memfd_create("out", 0), memfd_create("err", 0)};
  pid_t child = fork();
  if (child == 0) {
    for (const char *const *e = task->env; e && *e; e++) putenv((char *)*e);
    if (dup2(fd[0], 1) < 0 || dup2(fd[1], 2) < 0 || chdir(task->cwd) != 0) _exit(126);
    execvp(task->argv[0], (char *const *)task->argv), _exit(127);
  }
  if (child > 0) waitpid(child, &status, 0);
  r.exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  if ((r.stdout_size = lseek(fd[0], 0, SEEK_END)) > 0) r.stdout_data = mmap(NULL, r.stdout_size, PROT_READ, MAP_PRIVATE, fd[0], 0);
  if ((r.stderr_size = lseek(fd[1], 0, SEEK_END)) > 0) r.stderr_data = mmap(NULL, r.stderr_size, PROT_READ, MAP_PRIVATE, fd[1], 0);
  return r;
}

int main(int argc, char **argv) {
  void *library = dlopen("libcchain.so.0", RTLD_NOW);
  const cc_backend *(*get)(uint32_t) = library ? (const cc_backend *(*)(uint32_t))dlsym(library, "cc_backend_get") : NULL;
  const cc_backend *cc = get ? get(1) : NULL; /* all of cchain.h as one table */
  cc_cache *cache;
  cc_invocation *inv;
  cc_result result = {sizeof result};
  /* Whatever is wrong with the cache, the compile goes on. */
  if (argc < 2 || !cc || cc->open(NULL, &cache) || cc->parse_argv(cache, argc - 1, (const char *const *)argv + 1, NULL, &inv)) return execvp(argv[1], argv + 1), 127;
  while (cc->lookup(cache, inv, NULL, &result) <= 0) { /* a miss: run what it takes to know more, and at last the compile */
    cc_task task = {sizeof task};
    cc->task(cache, inv, &task);
    if (task.kind == CC_TASK_NONE) continue;
    cc_task_result ran = run(&task);
    if (task.kind != CC_TASK_COMPILE) { cc->task_done(cache, inv, &ran); continue; }
    cc->result_clear(&result);
    result.exit_status = ran.exit_status;
    result.stdout_data = ran.stdout_data, result.stdout_size = ran.stdout_size;
    result.stderr_data = ran.stderr_data, result.stderr_size = ran.stderr_size;
    cc->store(cache, inv, &result, NULL);
    break;
  }
  fwrite(result.stdout_data, 1, result.stdout_size, stdout);
  fwrite(result.stderr_data, 1, result.stderr_size, stderr);
  cc->close(cache);
  return result.exit_status;
}
