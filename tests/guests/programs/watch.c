// Hardware breakpoints and watchpoints (DR0 to DR3, by ptrace) in a child that reads, writes and runs: where it stops, and DR6.
#define _GNU_SOURCE
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/ptrace.h>
#include <sys/user.h>
#include <sys/wait.h>
#include <unistd.h>

#ifdef __x86_64__
#define IP rip
#define C rcx
#else
#define IP eip
#define C ecx
#endif
#define DEBUG_REGISTER(n) (offsetof(struct user, u_debugreg) + (n) * sizeof(long))

extern char start[], run_here[], end[];
_Alignas(64) char place[64], other[64];

asm(".globl start\n.globl run_here\n.globl end\n"
    "enter: xor %ecx, %ecx\n"
    "start:\n"
    " mov place, %eax\n"            // reads
    " mov %eax, place\n"            // writes
    " mov place+3, %al\n"
    " movb $1, place+3\n"
    " movw $1, place+3\n"           // across the end of four bytes
    " movw $1, place+4\n"
    " movw $1, place-1\n"
    " incl place+2\n"
    " lock incl place\n"
    "run_here: nop\n"
    " movups place-8, %xmm0\n"
    " movups %xmm0, place+8\n"
    " movups %xmm0, place-8\n"
    " fldl place\n fstpl place+8\n"
    " mov $place, %esi\n mov $other, %edi\n mov $8, %ecx\n"
#ifdef __x86_64__
    " mov %esi, %esi\n"
#endif
    " rep movsb\n"
    " mov $other, %esi\n mov $place, %edi\n mov $3, %ecx\n"
    " rep movsl\n"
    " pushf\n popf\n"
    " mov $1, %eax\n cmpxchg %eax, place\n"
    " testb $1, place\n"
    " prefetcht0 place\n"
    "end:\n nop\n ret\n");

static void child(void) {
  ptrace(PTRACE_TRACEME, 0, 0, 0);
  raise(SIGSTOP);
#ifdef __x86_64__
  asm volatile("sub $128, %%rsp\n call enter\n add $128, %%rsp" ::: "rax", "rcx", "rsi", "rdi", "xmm0", "memory", "cc");
#else
  asm volatile("call enter" ::: "eax", "ecx", "esi", "edi", "memory", "cc");
#endif
  _exit(7);
}

// A child with these addresses in DR0 to DR3 and this DR7; all that is printed is where it stops and why.
static void with(const char *what, const uintptr_t address[4], unsigned long control) {
  int status, stops = 0;
  printf("%s\n", what);
  pid_t pid = fork();
  if (!pid) child();
  waitpid(pid, &status, 0);
  for (int n = 0; n < 4; n++)
    if (address[n] && ptrace(PTRACE_POKEUSER, pid, DEBUG_REGISTER(n), address[n])) printf("DR%d is refused\n", n);
  if (ptrace(PTRACE_POKEUSER, pid, DEBUG_REGISTER(7), control)) puts("DR7 is refused");
  for (;;) {
    ptrace(PTRACE_CONT, pid, 0, 0);
    waitpid(pid, &status, 0);
    if (!WIFSTOPPED(status) || stops++ > 200) break;
    struct user_regs_struct regs;
    siginfo_t info = {0};
    ptrace(PTRACE_GETREGS, pid, 0, &regs);
    ptrace(PTRACE_GETSIGINFO, pid, 0, &info);
    long dr6 = ptrace(PTRACE_PEEKUSER, pid, DEBUG_REGISTER(6), 0);
    ptrace(PTRACE_POKEUSER, pid, DEBUG_REGISTER(6), 0);
    printf("  +%lx signal %d code %d dr6 %lx c %ld\n", (long)(regs.IP - (uintptr_t)start), WSTOPSIG(status), info.si_code, dr6 & 0xe00f, (long)regs.C);
  }
  printf("  exit %d after %d stops\n", WEXITSTATUS(status), stops);
}

enum { EXECUTE = 0, WRITE = 1, ACCESS = 3 };
static unsigned long dr7(int n, int kind, int bytes) {
  int length = bytes == 1 ? 0 : bytes == 2 ? 1 : bytes == 4 ? 3 : 2;
  return 1ul << (2 * n) | (unsigned long)(kind | length << 2) << (16 + 4 * n);
}

int main(void) {
  const uintptr_t at = (uintptr_t)place;
  with("nothing", (uintptr_t[4]){at}, 0);
  for (int kind = WRITE; kind <= ACCESS; kind += 2)
    for (int bytes = 1; bytes <= (int)sizeof(long); bytes *= 2)
      for (int offset = 0; offset < 16; offset += bytes) {
        char what[64];
        snprintf(what, sizeof what, "%s of %d bytes at %d", kind == WRITE ? "writes" : "accesses", bytes, offset);
        with(what, (uintptr_t[4]){at + offset}, dr7(0, kind, bytes));
      }
  with("run", (uintptr_t[4]){0, (uintptr_t)run_here}, dr7(1, EXECUTE, 1));
  with("run twice", (uintptr_t[4]){(uintptr_t)run_here, 0, 0, (uintptr_t)run_here}, dr7(0, EXECUTE, 1) | dr7(3, EXECUTE, 1));
  with("all four", (uintptr_t[4]){at, at + 3, (uintptr_t)start, (uintptr_t)other},
       dr7(0, WRITE, 4) | dr7(1, ACCESS, 1) | dr7(2, EXECUTE, 1) | dr7(3, WRITE, 2));
  with("not aligned", (uintptr_t[4]){at + 1}, dr7(0, WRITE, 4));
  return 0;
}
