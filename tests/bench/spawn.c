/* Whole processes in turn (A B C A B C …): posix_spawn and wait, wall time.
 *   spawn ROUNDS JSON-FILE TITLE COMMANDS-FILE
 * A line of the commands file: name, directory, environment ("A=1 B=2"), words, all separated by tabs. Streams go to /dev/null. A command that
 * fails ends it all: nothing is measured that does not work. Rows after the first are compared with each row before them by ratio.
 * SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

enum { MAX_COMMANDS = 16, MAX_WORDS = 4096, WARM_UP = 5 };

struct command {
  char *name, *dir, *env[64], *argv[MAX_WORDS];
  double *us;
};

static double now_us(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}
static int ascending(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return x < y ? -1 : x > y;
}

static double once(const struct command *c) {
  posix_spawn_file_actions_t fa;
  posix_spawn_file_actions_init(&fa);
  posix_spawn_file_actions_addopen(&fa, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_addopen(&fa, 1, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addopen(&fa, 2, "/dev/null", O_WRONLY, 0);
  posix_spawn_file_actions_addchdir_np(&fa, c->dir);
  pid_t pid;
  int status;
  double start = now_us();
  int err = posix_spawn(&pid, c->argv[0], &fa, NULL, c->argv, (char **)c->env);
  if (err == 0) waitpid(pid, &status, 0);
  double took = now_us() - start;
  posix_spawn_file_actions_destroy(&fa);
  if (err != 0 || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    fprintf(stderr, "spawn: %s (%s) failed\n", c->name, c->argv[0]);
    exit(1);
  }
  return took;
}

int main(int argc, char **argv) {
  if (argc != 5) return fprintf(stderr, "spawn ROUNDS JSON-FILE TITLE COMMANDS-FILE\n"), 2;
  int rounds = atoi(argv[1]), count = 0;
  static struct command commands[MAX_COMMANDS];
  FILE *f = fopen(argv[4], "r");
  if (!f) return perror(argv[4]), 2;
  char *line = NULL;
  size_t room = 0;
  while (count < MAX_COMMANDS && getline(&line, &room, f) > 0) {
    line[strcspn(line, "\n")] = 0;
    char *rest = strdup(line);
    struct command *c = &commands[count++];
    c->name = strsep(&rest, "\t");
    c->dir = strsep(&rest, "\t");
    char *env = strsep(&rest, "\t"), *word;
    for (int i = 0; env && i < 63 && (word = strsep(&env, " "));) if (*word) c->env[i++] = word;
    for (int i = 0; i < MAX_WORDS - 1 && (word = strsep(&rest, "\t")); i++) c->argv[i] = word;
    c->us = calloc((size_t)rounds, sizeof *c->us);
  }
  for (int r = -WARM_UP; r < rounds; r++)
    for (int i = 0; i < count; i++) {
      double us = once(&commands[i]);
      if (r >= 0) commands[i].us[r] = us;
    }
  FILE *json = fopen(argv[2], "w");
  if (!json) return perror(argv[2]), 1;
  fprintf(json, "{\"title\":\"%s\",\"rounds\":%d,\"unit\":\"us\",\"rows\":[", argv[3], rounds);
  printf("\n%s: %d rounds in turn, ms a process\n%-28s %8s %8s   ratio to the row above, and so on up (min/median)\n", argv[3], rounds, "", "min", "median");
  for (int i = 0; i < count; i++) qsort(commands[i].us, (size_t)rounds, sizeof(double), ascending);
  for (int i = 0; i < count; i++) {
    double lo = commands[i].us[0], mid = commands[i].us[rounds / 2];
    printf("%-28s %8.3f %8.3f  ", commands[i].name, lo / 1e3, mid / 1e3);
    for (int k = i - 1; k >= 0; k--) printf(" %.2f/%.2f", lo / commands[k].us[0], mid / commands[k].us[rounds / 2]);
    printf("\n");
    fprintf(json, "%s{\"name\":\"%s\",\"min\":%.1f,\"median\":%.1f}", i ? "," : "", commands[i].name, lo, mid);
  }
  fprintf(json, "]}\n");
  return fclose(json) != 0;
}
