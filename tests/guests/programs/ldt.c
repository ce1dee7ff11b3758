// Segments of the process's own LDT (modify_ldt): what LAR, LSL, VERR and VERW say of each, loads into FS, reads and writes at both ends of the
// limit through it, and what faults look like; then 16-bit and 32-bit code in it, entered by far calls.
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static sigjmp_buf back;
static uint8_t *low; // below 4 GiB, where segments can point

static void fault(int number, siginfo_t *info, void *context) {
  greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
  printf(" [signal %d code %d vector %d error %x]", number, info->si_code, (int)regs[REG_TRAPNO], (unsigned)regs[REG_ERR]);
  siglongjmp(back, 1);
}

static int selector(int entry) { return entry * 8 + 7; }

static int set(int entry, struct user_desc *desc) {
  desc->entry_number = entry;
  return syscall(SYS_modify_ldt, 0x11, desc, sizeof *desc);
}

static void verify(int of) {
  unsigned rights = 0, limit = 0;
  char lar, lsl, verr, verw;
  asm volatile("lar %2, %0\n setz %1" : "+r"(rights), "=q"(lar) : "r"(of) : "cc");
  asm volatile("lsl %2, %0\n setz %1" : "+r"(limit), "=q"(lsl) : "r"(of) : "cc");
  asm volatile("verr %w1\n setz %0" : "=q"(verr) : "r"(of) : "cc");
  asm volatile("verw %w1\n setz %0" : "=q"(verw) : "r"(of) : "cc");
  printf(" lar %d %x lsl %d %x verr %d verw %d", lar, rights & 0xffff00 & ~0x100, lsl, limit, verr, verw);
}

// Loads FS and reads or writes through it; glibc's own use of FS or GS stays as it is.
static void through(int of, uint32_t offset, int bytes, int write) {
  if (sigsetjmp(back, 1)) return;
#ifdef __x86_64__
#define SEGMENT "gs"
#else
#define SEGMENT "fs"
#endif
  uint32_t value = 0;
  uintptr_t at = offset;
  asm volatile("mov %0, %%" SEGMENT ::"r"(of));
  if (write) {
    if (bytes == 1) asm volatile("movb $1, %%" SEGMENT ":(%0)" ::"r"(at) : "memory");
    else asm volatile("movl $1, %%" SEGMENT ":(%0)" ::"r"(at) : "memory");
  } else if (bytes == 1) asm volatile("movzbl %%" SEGMENT ":(%1), %0" : "=r"(value) : "r"(at));
  else asm volatile("movl %%" SEGMENT ":(%1), %0" : "=r"(value) : "r"(at));
  printf(" %x", value);
}

static void data(void) {
  for (int kind = 0; kind < 32; kind++) {
    struct user_desc desc = {.base_addr = (uintptr_t)low, .seg_32bit = kind & 1, .read_exec_only = kind >> 1 & 1, .contents = kind >> 2 & 1,
                             .limit_in_pages = kind >> 3 & 1, .seg_not_present = kind >> 4};
    desc.limit = desc.limit_in_pages ? 1 : 0x123;
    printf("32-bit %d read-only %d expand-down %d pages %d not present %d: set %d", desc.seg_32bit, desc.read_exec_only, desc.contents,
           desc.limit_in_pages, desc.seg_not_present, set(3, &desc));
    verify(selector(3));
    uint32_t last = desc.limit_in_pages ? 0x1fff : 0x123;
    for (int n = 0; n < 5; n++) {
      uint32_t offset = n < 4 ? last - 3 + n : last + 4;
      printf("\n  at limit %+d:", (int)(offset - last));
      through(selector(3), offset, 1, 0);
      through(selector(3), offset, 4, 0);
      through(selector(3), offset, 1, 1);
      through(selector(3), offset, 4, 1);
    }
    puts("");
  }
}

static void selectors(void) {
  for (int of = 0; of < 0x100; of += 4) {
    printf("selector %x:", of);
    // The GDT is the kernel's: only its null selectors and its end are everybody's.
    if (of < 4 || (of & 4)) verify(of), through(of, 0, 1, 0);
    puts("");
  }
}

// Code that a far call enters: adds AX, in 16 or 32 bits, and returns.
static void code(void) {
  static const uint8_t body32[6] = {0x05, 0x01, 0x00, 0x01, 0x00, 0xcb}; // add eax, 10001h; retf
  static const uint8_t body16[6] = {0x05, 0x01, 0x80, 0x66, 0xcb};       // add ax, 8001h; 32-bit retf
  for (int kind = 0; kind < 8; kind++) {
    int bits32 = kind & 1;
    struct user_desc desc = {.base_addr = (uintptr_t)low + 0x100, .limit = 0xff, .seg_32bit = bits32, .contents = MODIFY_LDT_CONTENTS_CODE,
                             .read_exec_only = kind >> 1 & 1, .seg_not_present = kind >> 2};
    memcpy(low + 0x100, bits32 ? body32 : body16, 6);
    printf("code of %d bits, not readable %d, not present %d: set %d", bits32 ? 32 : 16, desc.read_exec_only, desc.seg_not_present, set(4, &desc));
    verify(selector(4));
    static struct {
      uint32_t offset;
      uint16_t selector;
    } __attribute__((packed)) far;
    far.selector = selector(4);
    for (unsigned n = 0; n < 3; n++) {
      far.offset = (unsigned[]){0, 0x100, 0xfffe}[n];
      uint32_t value = 0x1234fffe;
      if (!sigsetjmp(back, 1)) {
        // In compatibility mode the stack has to be below 4 GiB.
        void *stack = low + 0xf000;
#ifdef __x86_64__
        asm volatile("xchg %1, %%rsp\n lcall *%2\n xchg %1, %%rsp" : "+a"(value), "+r"(stack) : "m"(far) : "cc", "memory");
#else
        asm volatile("xchg %1, %%esp\n lcall *%2\n xchg %1, %%esp" : "+a"(value), "+r"(stack) : "m"(far) : "cc", "memory");
#endif
        printf(" %x", value);
      }
    }
    through(selector(4), 0, 4, 0);
    through(selector(4), 0, 4, 1);
    puts("");
  }
}

int main(void) {
  // The same address everywhere.
  low = mmap((void *)0x10000000, 0x10000, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  for (int at = 0; at < 0x10000; at++) low[at] = at * 7 + (at >> 8);
  static char other[65536];
  sigaltstack(&(stack_t){.ss_sp = other, .ss_size = sizeof other}, 0);
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  sigaction(SIGILL, &action, 0);
  data();
  selectors();
  code();
  return 0;
}
