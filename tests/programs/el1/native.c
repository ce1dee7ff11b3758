// The platform as a process of the host: pages, signals and an interval timer.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#include "platform.h"

void program(void);

static sigjmp_buf back;
static _Alignas(65536) uint8_t memory[65536];
uint8_t *const page = memory;
volatile unsigned ticks;

void put(char c) { putchar(c); }

static void fault(int signal) { siglongjmp(back, signal); }

static void tick(int signal) {
    (void)signal;
    ticks++;
}

int load_faults(volatile uint64_t *at, uint64_t *value) {
    *value = 0;
    if (sigsetjmp(back, 1))
        return 1;
    *value = *at;
    return 0;
}

int store_faults(volatile uint64_t *at, uint64_t value) {
    if (sigsetjmp(back, 1))
        return 1;
    *at = value;
    return 0;
}

int undefined_faults(void) { return sigsetjmp(back, 1) ? 1 : (raise(SIGILL), 0); }

int call_faults(void *at) {
    if (sigsetjmp(back, 1))
        return 1;
    ((void (*)(void))at)();
    return 0;
}

void protect(enum access access) {
    int bits = access == NOTHING ? PROT_NONE : access == READ ? PROT_READ : PROT_READ | PROT_WRITE;
    if (mprotect(memory, sizeof memory, bits))
        abort();
}

static void every(int microseconds) {
    struct itimerval value = {{0, microseconds}, {0, microseconds}};
    setitimer(ITIMER_REAL, &value, 0);
}

void start_timer(void) { every(1000); }
void stop_timer(void) { every(0); }
void wait_for_interrupt(void) { pause(); }

int main(void) {
    int signals[] = {SIGSEGV, SIGBUS, SIGILL};
    for (int i = 0; i < 3; i++)
        signal(signals[i], fault);
    signal(SIGALRM, tick);
    program();
    return 0;
}
