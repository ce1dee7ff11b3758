// Every way for a process to get a signal from its CPU: the signal, its code, the vector, the error code, and where it happened. Then FPU and
// vector state in signal frames: saved, changed by the handler, restored, also in nested handlers.
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

#ifdef __x86_64__
#define IP REG_RIP
#define FLAGS "pushfq\n orl $0x40000, (%%rsp)\n popfq\n"
#define NO_FLAGS "pushfq\n andl $0xfffbffff, (%%rsp)\n popfq\n"
#define R "r"
#define FAR 0x0100000000000000 // not canonical, whether pages have four levels or five
#else
#define IP REG_EIP
#define FLAGS "pushf\n orl $0x40000, (%%esp)\n popf\n"
#define NO_FLAGS "pushf\n andl $0xfffbffff, (%%esp)\n popf\n"
#define R "e"
#endif

static sigjmp_buf back;
static uintptr_t at;
static char *none, *read_only, *data;

static void fault(int number, siginfo_t *info, void *context) {
  greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
  // The kernel turns alignment checks off for itself only; the handler runs without.
  asm volatile(NO_FLAGS ::: "memory", "cc");
  uintptr_t address = (uintptr_t)info->si_addr;
  const char *where = "as it is";
  if (address - (uintptr_t)none < 8192) address -= (uintptr_t)none, where = "none";
  else if (address - (uintptr_t)read_only < 4096) address -= (uintptr_t)read_only, where = "read-only";
  else if (address - (uintptr_t)data < 8192) address -= (uintptr_t)data, where = "data";
  else if (address - at < 64) address -= at, where = "the instruction";
  uintptr_t behind = (uintptr_t)regs[IP] - at; // somewhere else if it jumped there
  printf("signal %d code %d vector %d error %x ip +%lx address %lx (%s)\n", number, info->si_code, (int)regs[REG_TRAPNO], (unsigned)regs[REG_ERR],
         behind < 64 ? (long)behind : -1, (long)address, where);
  siglongjmp(back, 1);
}

// TRY(code, operands): prints the code and what signal it gets. The local label 1 is in front of it.
#define TRY(code, ...)                                                                                       \
  do {                                                                                                       \
    printf("%s: ", code);                                                                                    \
    if (!sigsetjmp(back, 1)) {                                                                               \
      asm volatile("lea" L " 1f, %0" : "=r"(at));                                                            \
      asm volatile("1:\n" code "\n" __VA_ARGS__);                                                            \
      puts("nothing");                                                                                       \
    }                                                                                                        \
  } while (0)
#define L ""

static void exceptions(void) {
  TRY("div %0", ::"r"(0), "a"(1), "d"(0));
  TRY("div %0", ::"r"(1), "a"(1), "d"(1));
  TRY("idiv %0", ::"r"(-1), "a"(0x80000000), "d"(-1));
  TRY("int3", :);
  TRY("int $3", :);
  TRY("int $4", :);
  TRY("int $14", :);
  TRY("int $0x81", :);
  TRY(".byte 0xf1", :); // INT1
  TRY("ud2", :);
  TRY("ud1 %%eax, %%eax", :);
  TRY(".byte 0xf0, 0x90", :);       // LOCK NOP
  TRY(".byte 0xf0, 0x01, 0xc1", :); // LOCK ADD of registers
  TRY("hlt", :);
  TRY("cli", :);
  TRY("in $0x80, %%al", : : : "eax");
  TRY("out %%al, $0x80", :);
  TRY("mov %%cr0, %%" R "ax", :::"eax");
  TRY("mov %%" R "ax, %%dr7", :::"eax");
  TRY("rdmsr", ::"c"(0x10) : "eax", "edx");
  TRY("invd", :);
  TRY("lgdt (%0)", ::"r"(data));
  TRY("clts", :);
  TRY("rdpmc", ::"c"(0x12345) : "eax", "edx");
  TRY("xsetbv", ::"c"(0), "a"(1), "d"(0));
  TRY("sysret", :);
  TRY("mov %0, %%ss", ::"r"(0));
  TRY("mov %0, %%ds", ::"r"(0x7f8));
  TRY("mov %0, %%fs", ::"r"(0x4fc));
  TRY("mov %0, %%ss", ::"r"(0x10));
  TRY("ljmp *(%0)", ::"r"(memset(data, 0, 16)));
  TRY("movaps 4(%0), %%xmm0", ::"r"(data));
  TRY("fxsave 8(%0)", ::"r"(data));
  TRY("cmpxchg8b 4(%0)", ::"r"(data), "a"(0), "b"(0), "c"(0), "d"(0) : "cc");
  TRY(FLAGS "mov 1(%0), %%eax", ::"r"(data) : "eax", "cc");
  TRY(FLAGS "movups 1(%0), %%xmm0\n" NO_FLAGS, ::"r"(data) : "cc");
  TRY(FLAGS "mov (%0), %%eax\n" NO_FLAGS, ::"r"(data) : "eax", "cc");
}

static void pages(void) {
  TRY("mov (%0), %%eax", ::"r"(none) : "eax");
  TRY("mov %%eax, 8(%0)", ::"r"(none));
  TRY("mov %%eax, -2(%0)", ::"r"(none)); // the first half is in `data`
#ifdef __x86_64__
  TRY("call *%0", ::"r"(data)); // as in faults.c, not for 32 bits
#endif
  TRY("call *%0", ::"r"(none));
  TRY("mov %%eax, (%0)", ::"r"(read_only));
  TRY("lock addl $1, 4(%0)", ::"r"(read_only) : "cc");
  TRY("cmpxchg %%ecx, (%0)", ::"r"(read_only), "a"(5) : "cc"); // writes even where it does not compare equal
  TRY("bts %0, (%1)", ::"r"(24000), "r"(read_only) : "cc");
  TRY("movntps %%xmm0, (%0)", ::"r"(read_only));
  TRY("rep movsb", ::"S"(read_only), "D"(none - 16), "c"(64));
  TRY("rep stosl", ::"a"(0), "D"(none - 16), "c"(64));
  TRY("push (%0)", ::"r"(none));
  TRY("invlpg (%0)", ::"r"(data));
  TRY("clflush (%0)", ::"r"(none));
  TRY("prefetcht0 (%0)", ::"r"(none));
  TRY("fldt -5(%0)", ::"r"(none));
  TRY("movups %%xmm0, -8(%0)", ::"r"(none));
#ifdef __x86_64__
  TRY("mov (%0), %%eax", ::"r"((char *)(intptr_t)-4096) : "eax"); // the kernel's
  TRY("mov (%0), %%eax", ::"r"(FAR) : "eax");
  TRY("mov %%eax, (%0)", ::"r"(0x4141414141414141));
  TRY("jmp *%0", ::"r"(FAR));
  TRY("mov %0, %%rsp\n push %%rax", ::"r"(0x7ff00000000abcd0));
#else
  TRY("into", :);
  TRY("mov $0x7fffffff, %%eax\n add $1, %%eax\n into", :::"eax", "cc");
  TRY("bound %%eax, (%0)", ::"r"(memcpy(data, "\1\0\0\0\3\0\0\0", 8)), "a"(4));
  TRY("bound %%eax, (%0)", ::"r"(data), "a"(3));
  TRY("lcall $0x7ff, $0", :);
  TRY("mov %%cs:(%0), %%eax", ::"r"(data) : "eax");
  TRY("mov %%eax, %%cs:(%0)", ::"r"(data));
#endif
}

// Unmasks exceptions one after the other.
static void floating(void) {
  const double one = 1, zero = 0, huge = 1e300, bad = __builtin_nans("");
  for (int bit = 0; bit < 6; bit++) {
    uint32_t mxcsr = 0x1f80 & ~(0x80u << bit);
    uint16_t control = 0x37f & ~(1u << bit);
    printf("bit %d\n", bit);
    TRY("ldmxcsr %0\n divsd %2, %1\n", ::"m"(mxcsr), "x"(one), "m"(zero));
    TRY("ldmxcsr %0\n mulsd %2, %1\n", ::"m"(mxcsr), "x"(huge), "m"(huge));
    TRY("ldmxcsr %0\n addsd %2, %1\n", ::"m"(mxcsr), "x"(one), "m"(bad));
    TRY("ldmxcsr %0\n cvtsd2ss %1, %1\n", ::"m"(mxcsr), "x"(huge));
    TRY("fldcw %0\n fldl %1\n fdivl %2\n fwait\n fstp %%st", ::"m"(control), "m"(one), "m"(zero));
    asm volatile("fninit");
    TRY("fldcw %0\n fldl %1\n fstps %2\n fwait", ::"m"(control), "m"(huge), "m"(*data));
    asm volatile("fninit");
    TRY("fldcw %0\n fldl %1\n fsqrt\n fldz\n fstp %%st", ::"m"(control), "m"(bad));
    asm volatile("fninit");
    asm volatile("ldmxcsr %0" ::"m"((const uint32_t){0x1f80}));
  }
}

static volatile int depth;
static void frame(int number, siginfo_t *info, void *context) {
  (void)info;
  struct _libc_fpstate *saved = ((ucontext_t *)context)->uc_mcontext.fpregs;
#ifdef __x86_64__
  uint32_t *xmm = (uint32_t *)&saved->_xmm[0];
  int mxcsr = saved->mxcsr;
#else
  uint32_t *xmm = (uint32_t *)((char *)saved + 112 + 160); // FXSAVE's image lies behind FSAVE's
  int mxcsr = *(uint32_t *)((char *)saved + 112 + 24);
#endif
  printf("signal %d depth %d mxcsr %x xmm0 %x %x %x %x\n", number, depth, mxcsr, xmm[0], xmm[1], xmm[2], xmm[3]);
  asm volatile("fninit\n pxor %xmm0, %xmm0\n vzeroall"); // nobody outside may see it
  if (++depth < 3) raise(SIGUSR1);
  xmm[1] += 0x100;
}

static void frames(void) {
  struct sigaction action = {.sa_sigaction = frame, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGUSR1, &action, 0);
  uint32_t out[8], in[8] = {1, 2, 3, 4, 5, 6, 7, 8};
  long double st;
  asm volatile("vmovdqu %0, %%ymm0\n fldpi\n fldl2e" ::"m"(in));
  raise(SIGUSR1);
  asm volatile("vmovdqu %%ymm0, %0\n fmulp\n fstpt %1" : "=m"(out), "=m"(st));
  asm volatile("vzeroupper");
  printf("ymm0 %x %x %x %x %x %x %x %x, st %.18Lg\n", out[0], out[1], out[2], out[3], out[4], out[5], out[6], out[7], st);
}

int main(void) {
  data = mmap(0, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  none = data + 4096;
  read_only = data + 3 * 4096;
  read_only[0] = 1;
  mprotect(none, 8192, PROT_NONE);
  mprotect(read_only, 4096, PROT_READ);
  static char other[65536];
  sigaltstack(&(stack_t){.ss_sp = other, .ss_size = sizeof other}, 0);
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  for (int number = 1; number < 32; number++)
    if (number == SIGSEGV || number == SIGBUS || number == SIGFPE || number == SIGILL || number == SIGTRAP) sigaction(number, &action, 0);
  exceptions();
  pages();
  floating();
  frames();
  return 0;
}
