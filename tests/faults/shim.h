/* The page that tests/faults/shim.py and the preloaded shim share. Only the runner writes what is asked, only the shim what was seen. */
#ifndef PGCERTD_FAULT_SHIM_H
#define PGCERTD_FAULT_SHIM_H

#include <stdatomic.h>
#include <stdint.h>

enum shim_class { SHIM_CHANGE = 1, SHIM_OPEN = 2, SHIM_READ = 4, SHIM_MEMORY = 8 };

/* What befalls a call: an errno, or one of these. */
enum { SHIM_SHORT = 1000, SHIM_KILL = 1001 };

struct shim_page {
  _Atomic uint32_t classes;  /* the calls that are counted; 0: none */
  _Atomic uint32_t fault;
  _Atomic uint64_t at;       /* the call that fails, counted from 1; 0: none */
  _Atomic uint64_t times;    /* so many in a row */
  _Atomic uint64_t count;    /* calls seen since the runner set it to 0 */
  _Atomic uint64_t hits;     /* faults done */
  char what[496];            /* the first call that was hit, and its object */
};

#endif
