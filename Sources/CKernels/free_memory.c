#include "free_memory.h"

#include <stdlib.h>  // defines __GLIBC__ where it is

#if defined(__GLIBC__)
#include <malloc.h>
#endif

void lmk_release_free_memory(void) {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}
