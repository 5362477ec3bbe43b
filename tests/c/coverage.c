/* SPDX-License-Identifier: MIT
 *
 * coverage.c - linked into the coverage build only: counters for a process that ends without
 * running exit handlers (tests/loops.py).  gcc's function for it is hidden in each library.
 */
void __gcov_dump(void);
void hotloop_coverage_write(void);

__attribute__((visibility("default"))) void
hotloop_coverage_write(void)
{
    __gcov_dump();
}
