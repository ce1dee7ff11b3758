// Runs instructions on given states under QEMU's user mode emulation: reads cases from standard input, writes results to
// standard output. Built and started by `src/lib.rs`, which has the same layout of a case.

#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

#define CODE 0x40000000UL
#define DATA 0x50000000UL
#define WORDS 16

struct state {
    uint32_t words[WORDS];
    uint64_t x[31], sp, nzcv, fpcr, fpsr, fault;
    uint64_t v[64];
    uint64_t memory[128];
};

struct state state;
uint64_t own[16];
static uint64_t tls;
extern void enter(void);
extern void leave(void);

// The instructions end with x0 in TPIDR_EL0 and a jump to `leave`.
__asm__(
    ".text\n.global enter\nenter:\n"
    "stp x19, x20, [sp, #-160]!\nstp x21, x22, [sp, #16]\nstp x23, x24, [sp, #32]\nstp x25, x26, [sp, #48]\n"
    "stp x27, x28, [sp, #64]\nstp x29, x30, [sp, #80]\nstp d8, d9, [sp, #96]\nstp d10, d11, [sp, #112]\n"
    "stp d12, d13, [sp, #128]\nstp d14, d15, [sp, #144]\n"
    "adrp x0, own\nadd x0, x0, :lo12:own\nmov x1, sp\nstr x1, [x0]\n"
    "adrp x0, state\nadd x0, x0, :lo12:state\n"
    "ldr x1, [x0, #328]\nmsr fpcr, x1\nldr x1, [x0, #336]\nmsr fpsr, x1\n"
    "ldr x1, [x0, #320]\nmsr nzcv, x1\nldr x1, [x0, #312]\nmov sp, x1\n"
    "add x1, x0, #352\n"
    "ldp q0, q1, [x1]\nldp q2, q3, [x1, #32]\nldp q4, q5, [x1, #64]\nldp q6, q7, [x1, #96]\n"
    "ldp q8, q9, [x1, #128]\nldp q10, q11, [x1, #160]\nldp q12, q13, [x1, #192]\nldp q14, q15, [x1, #224]\n"
    "ldp q16, q17, [x1, #256]\nldp q18, q19, [x1, #288]\nldp q20, q21, [x1, #320]\nldp q22, q23, [x1, #352]\n"
    "ldp q24, q25, [x1, #384]\nldp q26, q27, [x1, #416]\nldp q28, q29, [x1, #448]\nldp q30, q31, [x1, #480]\n"
    "mov x1, #0x40000000\nmsr tpidr_el0, x1\n"
    "ldp x1, x2, [x0, #72]\nldp x3, x4, [x0, #88]\nldp x5, x6, [x0, #104]\nldp x7, x8, [x0, #120]\n"
    "ldp x9, x10, [x0, #136]\nldp x11, x12, [x0, #152]\nldp x13, x14, [x0, #168]\nldp x15, x16, [x0, #184]\n"
    "ldp x17, x18, [x0, #200]\nldp x19, x20, [x0, #216]\nldp x21, x22, [x0, #232]\nldp x23, x24, [x0, #248]\n"
    "ldp x25, x26, [x0, #264]\nldp x27, x28, [x0, #280]\nldp x29, x30, [x0, #296]\nldr x0, [x0, #64]\n"
    "b start_of_code\n"
    ".global leave\nleave:\n"
    "adrp x0, state\nadd x0, x0, :lo12:state\n"
    "stp x1, x2, [x0, #72]\nstp x3, x4, [x0, #88]\nstp x5, x6, [x0, #104]\nstp x7, x8, [x0, #120]\n"
    "stp x9, x10, [x0, #136]\nstp x11, x12, [x0, #152]\nstp x13, x14, [x0, #168]\nstp x15, x16, [x0, #184]\n"
    "stp x17, x18, [x0, #200]\nstp x19, x20, [x0, #216]\nstp x21, x22, [x0, #232]\nstp x23, x24, [x0, #248]\n"
    "stp x25, x26, [x0, #264]\nstp x27, x28, [x0, #280]\nstp x29, x30, [x0, #296]\nmrs x1, tpidr_el0\nstr x1, [x0, #64]\n"
    "mov x1, sp\nstr x1, [x0, #312]\nmrs x1, nzcv\nstr x1, [x0, #320]\n"
    "mrs x1, fpcr\nstr x1, [x0, #328]\nmrs x1, fpsr\nstr x1, [x0, #336]\n"
    "add x1, x0, #352\n"
    "stp q0, q1, [x1]\nstp q2, q3, [x1, #32]\nstp q4, q5, [x1, #64]\nstp q6, q7, [x1, #96]\n"
    "stp q8, q9, [x1, #128]\nstp q10, q11, [x1, #160]\nstp q12, q13, [x1, #192]\nstp q14, q15, [x1, #224]\n"
    "stp q16, q17, [x1, #256]\nstp q18, q19, [x1, #288]\nstp q20, q21, [x1, #320]\nstp q22, q23, [x1, #352]\n"
    "stp q24, q25, [x1, #384]\nstp q26, q27, [x1, #416]\nstp q28, q29, [x1, #448]\nstp q30, q31, [x1, #480]\n"
    "msr fpcr, xzr\n"
    "adrp x0, own\nadd x0, x0, :lo12:own\nldr x1, [x0]\nmov sp, x1\n"
    "ldp x21, x22, [sp, #16]\nldp x23, x24, [sp, #32]\nldp x25, x26, [sp, #48]\n"
    "ldp x27, x28, [sp, #64]\nldp x29, x30, [sp, #80]\nldp d8, d9, [sp, #96]\nldp d10, d11, [sp, #112]\n"
    "ldp d12, d13, [sp, #128]\nldp d14, d15, [sp, #144]\nldp x19, x20, [sp], #160\nret\n");

_Static_assert(offsetof(struct state, x) == 64 && offsetof(struct state, sp) == 312 && offsetof(struct state, v) == 352, "layout");

static void fault(int signal, siginfo_t *info, void *context) {
    (void)info;
    ucontext_t *machine = context;
    state.fault = (uint64_t)signal;
    // X0 as `leave` expects it; the kernel restores the rest.
    __asm__ volatile("msr tpidr_el0, %0" ::"r"(machine->uc_mcontext.regs[0]));
    machine->uc_mcontext.pc = (uint64_t)leave;
}

static int transfer(int write_it, void *at, size_t size) {
    for (size_t done = 0; done < size;) {
        ssize_t now = write_it ? write(1, (char *)at + done, size - done) : read(0, (char *)at + done, size - done);
        if (now <= 0)
            return 0;
        done += (size_t)now;
    }
    return 1;
}

int main(void) {
    int all = PROT_READ | PROT_WRITE | PROT_EXEC, flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;
    uint32_t *code = mmap((void *)CODE, 4096, all, flags, -1, 0);
    void *data = mmap((void *)DATA, 4096, PROT_READ | PROT_WRITE, flags, -1, 0);
    static char stack[65536];
    stack_t alternative = {.ss_sp = stack, .ss_size = sizeof stack};
    if (code == MAP_FAILED || data == MAP_FAILED || sigaltstack(&alternative, 0))
        return 1;
    struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    int signals[] = {SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
    for (int i = 0; i < 4; i++)
        sigaction(signals[i], &action, 0);
    __asm__ volatile("mrs %0, tpidr_el0" : "=r"(tls));
    uint64_t end = (uint64_t)leave;
    // msr tpidr_el0, x0; ldr x0, .+8; br x0; address
    uint32_t stub[] = {0xd51bd040, 0x58000040, 0xd61f0000, (uint32_t)end, (uint32_t)(end >> 32)};
    while (transfer(0, &state, sizeof state)) {
        memcpy(code, state.words, sizeof state.words);
        memcpy(code + WORDS, stub, sizeof stub);
        memcpy(data, state.memory, sizeof state.memory);
        __builtin___clear_cache((char *)code, (char *)(code + 64));
        enter();
        __asm__ volatile("msr tpidr_el0, %0" ::"r"(tls));
        memcpy(state.memory, data, sizeof state.memory);
        if (!transfer(1, &state, sizeof state))
            return 2;
    }
    return 0;
}
