// What the allocator keeps.
#pragma once

// Gives memory that was freed back to the system, where the allocator keeps it (glibc).
void lmk_release_free_memory(void);
