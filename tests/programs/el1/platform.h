// What `program.c` needs of the machine: `bare.c` is AArch64 at EL1, `native.c` a process of the host.
#ifndef PLATFORM_H
#define PLATFORM_H

#include <stddef.h>
#include <stdint.h>

// Prints one character.
void put(char c);

// Accesses that may fault: whether they did. A load that faulted gives 0.
int load_faults(volatile uint64_t *at, uint64_t *value);
int store_faults(volatile uint64_t *at, uint64_t value);
// Executes an instruction that is undefined on every processor: whether that was an exception.
int undefined_faults(void);
// Calls a function at an address that may not be executed: whether that was an exception.
int call_faults(void *at);

// A page of its own, and what may be done with it.
enum access { NOTHING, READ, READ_WRITE };
#define PAGE_SIZE 4096
extern uint8_t *const page;
void protect(enum access access);

// Asks for an interrupt every millisecond, which counts up `ticks`.
extern volatile unsigned ticks;
void start_timer(void);
void stop_timer(void);
// Sleeps until an interrupt has come.
void wait_for_interrupt(void);

#endif
