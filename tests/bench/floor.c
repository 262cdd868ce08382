/* One hit of the command with nothing but its stats, reads and writes: what a process that does these can't go below.
 * The plan is compiled in (-DPLAN_FILE): gcc -O2 -static. With an argument it says how many calls went otherwise than recorded.
 * SPDX-License-Identifier: Apache-2.0 */
#include "plan.h"
#include PLAN_FILE

static char buffer[PLAN_BUFFER];

int main(int argc, char **argv) {
  (void)argv;
  static struct plan_state state;
  for (int i = 0; i < PLAN_FDS; i++) state.fd[i] = -1;
  state.buffer = buffer;
  int other = plan_run(plan, sizeof plan / sizeof *plan, &state);
  if (argc > 1) printf("%d of %zu\n", other, sizeof plan / sizeof *plan);
  return 0;
}
