// Steps through a child one instruction at a time (TF by ptrace) and prints where each step ends, with the flags and the registers that the code
// changes: loops, calls, repeated strings, loads of SS, PUSHF and POPF, system calls and a breakpoint.
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

// Behind `opaque` the registers are the kernel's or the processor's own numbers.
extern char begin[], opaque[], end[];
char from[64] = "sixty-four bytes, more or less, that a string instruction moves", to[64];

#ifdef __x86_64__
#define IP rip
#define FLAGS eflags
#define A rax
#define C rcx
#define D rdx
#define PUSH_A "push %rax\n"
#define POP_A "pop %rax\n"
#define SYSTEM_CALL "mov $110, %eax\n syscall\n" // getppid
#define POINTERS "mov $from, %rsi\n mov $to, %rdi\n"
#else
#define IP eip
#define FLAGS eflags
#define A eax
#define C ecx
#define D edx
#define PUSH_A "push %eax\n"
#define POP_A "pop %eax\n"
#define SYSTEM_CALL "mov $64, %eax\n int $0x80\n" // getppid
#define POINTERS "mov $from, %esi\n mov $to, %edi\n"
#endif

asm(".globl begin\n.globl opaque\n.globl end\n"
    "start:\n xor %edx, %edx\n mov $3, %ecx\n xor %eax, %eax\n"
    "begin:\n"
    "1: add $0x7fffffff, %eax\n loop 1b\n"
    " call 2f\n call 2f\n jmp 3f\n"
    "2: inc %edx\n ret\n"
    "3: cld\n" POINTERS " mov $5, %ecx\n rep movsb\n"
    " xor %ecx, %ecx\n rep stosb\n"
    " mov $9, %ecx\n mov $'q', %al\n repne scasb\n"
    " mov %ss, %esi\n mov %esi, %ss\n mov $1, %eax\n mov $2, %eax\n" // no step between a load of SS and what follows
#ifndef __x86_64__
    " push %ss\n pop %ss\n nop\n nop\n"
#endif
    " pushf\n pushf\n" POP_A " or $0x100, %eax\n and $0xffff0fff, %eax\n" PUSH_A " popf\n" // TF set by the program itself
    " nop\n popf\n"
    " mov $1, %eax\n lock xadd %eax, to\n"
    " xorps %xmm0, %xmm0\n ucomiss %xmm0, %xmm0\n fldpi\n fstp %st\n"
    " int3\n"
    " mov $7, %edx\n"
    " std\n cld\n stc\n cmc\n"
    "opaque:\n" SYSTEM_CALL " rdtsc\n xor %eax, %eax\n cpuid\n"
    "end:\n nop\n ret\n");

static void child(void) {
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  raise(SIGSTOP);
  // Every register that the code changes is told to the compiler.
#ifdef __x86_64__
  asm volatile("sub $128, %%rsp\n call start\n add $128, %%rsp" ::: "rax", "rbx", "rcx", "rdx", "rsi", "rdi", "r11", "xmm0", "st", "memory", "cc");
#else
  asm volatile("call start" ::: "eax", "ebx", "ecx", "edx", "esi", "edi", "st", "memory", "cc");
#endif
  _exit(0);
}

int main(void) {
  int status, inside = 0;
  pid_t pid = fork();
  if (!pid) child();
  waitpid(pid, &status, 0);
  for (;;) {
    // The signal is not passed on.
    if (ptrace(PTRACE_SINGLESTEP, pid, 0, 0)) return perror("step"), 1;
    waitpid(pid, &status, 0);
    if (WIFEXITED(status)) break;
    struct user_regs_struct regs;
    siginfo_t info = {0};
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
    if (regs.IP < (uintptr_t)begin || regs.IP > (uintptr_t)end) continue;
    inside++;
    printf("+%02lx signal %d code %d flags %lx", (long)(regs.IP - (uintptr_t)begin), WSTOPSIG(status), info.si_code, (long)(regs.FLAGS & 0xdd5));
    if (regs.IP < (uintptr_t)opaque) printf(" a %lx c %lx d %lx", (long)regs.A, (long)regs.C, (long)regs.D);
    puts("");
  }
  printf("%d steps inside, exit %d\n", inside, WEXITSTATUS(status));
}
