// Page faults that a process sees: every protection against every kind of access, protections that change under running code, code that is written
// and run, and faults that another thread resolves by userfaultfd.
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096, PAGES = 16 };
static sigjmp_buf back;
static volatile int caught;
static unsigned char *area;

static void fault(int number, siginfo_t *info, void *context) {
  greg_t *regs = ((ucontext_t *)context)->uc_mcontext.gregs;
  caught++;
  printf(" [%d code %d error %x at %+ld]", number, info->si_code, (unsigned)regs[REG_ERR], (long)((unsigned char *)info->si_addr - area));
  siglongjmp(back, 1);
}

// A function in the area that answers 42 and a little more.
static void write_code(unsigned char *to, int more) {
  const unsigned char code[] = {0xb8, 42 + more, 0, 0, 0, 0xc3}; // mov eax, 42 + more; ret
  memcpy(to, code, sizeof code);
}

static void protections(void) {
  for (int have = 0; have < 8; have++) {
    if ((have & (PROT_READ | PROT_EXEC)) == PROT_EXEC) continue; // a processor with protection keys forbids reads then
    printf("protection %d:", have);
    mprotect(area, PAGE, PROT_READ | PROT_WRITE);
    write_code(area, have);
    mprotect(area, PAGE, have);
    if (!sigsetjmp(back, 1)) printf(" read %x", *(volatile unsigned char *)area);
    if (!sigsetjmp(back, 1)) *(volatile unsigned char *)(area + 100) = 1, printf(" written");
#ifndef __x86_64__
    // Linux 6.1 with PAE lets processes run all their data, under QEMU too: the no-execute bit is lost in an `unsigned long`.
    if (have & PROT_EXEC)
#endif
      if (!sigsetjmp(back, 1)) printf(" run %d", ((int (*)(void))area)());
    puts("");
  }
}

// A page goes from one protection to the other, and what was allowed a moment ago must fault at once.
static void changes(void) {
  int sum = 0;
  for (int n = 0; n < 64; n++) {
    volatile unsigned char *at = area + n % PAGES * PAGE;
    mprotect((void *)at, PAGE, PROT_READ | PROT_WRITE);
    at[n] = n;
    mprotect((void *)at, PAGE, n & 1 ? PROT_READ : PROT_NONE);
    caught = 0;
    if (n % 8 == 0) printf("change %d:", n);
    if (n % 8 == 0 && !sigsetjmp(back, 1)) at[n + 1] = 1;
    if (n % 8 == 0) puts("");
    mprotect((void *)at, PAGE, PROT_READ);
    sum = sum * 31 + at[n] + caught;
  }
  printf("changes %x\n", (unsigned)sum);
}

// Code that is written between two calls, on one page and through another mapping of it.
static void rewritten(void) {
  int file = memfd_create("code", 0);
  unsigned sum = 0;
  if (ftruncate(file, PAGE)) perror("memfd");
  unsigned char *run = mmap(0, PAGE, PROT_READ | PROT_EXEC, MAP_SHARED, file, 0);
  unsigned char *write = mmap(0, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
  mprotect(area, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC);
  for (int n = 0; n < 200; n++) {
    write_code(write, n & 63);
    write_code(area, n & 31);
    asm volatile("cpuid" : : "a"(0), "c"(0) : "ebx", "edx", "memory"); // serializes (SDM vol. 3, 9.1.3)
    sum = sum * 31 + ((int (*)(void))run)() + 7 * ((int (*)(void))area)();
  }
  printf("rewritten %x\n", sum);
}

static void *resolve(void *of) {
  int file = *(int *)of;
  static unsigned char page[PAGE];
  struct uffd_msg message;
  while (read(file, &message, sizeof message) == sizeof message) {
    uintptr_t at = message.arg.pagefault.address & ~(uintptr_t)(PAGE - 1);
    int number = (at - (uintptr_t)area) / PAGE;
    memset(page, number + 1, PAGE);
    struct uffdio_copy copy = {.dst = at, .src = (uintptr_t)page, .len = PAGE};
    ioctl(file, UFFDIO_COPY, &copy);
    if (number == PAGES - 1) break;
  }
  return 0;
}

static void by_another_thread(void) {
  munmap(area, PAGES * PAGE);
  mmap(area, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  int file = syscall(SYS_userfaultfd, O_CLOEXEC | UFFD_USER_MODE_ONLY);
  struct uffdio_api api = {.api = UFFD_API};
  struct uffdio_register range = {.range = {(uintptr_t)area, PAGES * PAGE}, .mode = UFFDIO_REGISTER_MODE_MISSING};
  if (file < 0 || ioctl(file, UFFDIO_API, &api) || ioctl(file, UFFDIO_REGISTER, &range)) return perror("userfaultfd");
  pthread_t thread;
  pthread_create(&thread, 0, resolve, &file);
  unsigned sum = 0;
  for (int n = 0; n < PAGES; n++) {
    uint32_t word;
    // Across the page's end: two faults, or one if the next page is there already.
    memcpy(&word, area + (n < PAGES - 1 ? n * PAGE + PAGE - 2 : n * PAGE), 4);
    asm volatile("lock addl %1, %0" : "+m"(*(uint32_t *)(area + n * PAGE)) : "r"(word) : "cc");
    sum = sum * 31 + word + *(uint32_t *)(area + n * PAGE);
  }
  pthread_join(thread, 0);
  printf("by another thread %x\n", sum);
}

int main(void) {
  area = mmap((void *)0x20000000, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);
  struct sigaction action = {.sa_sigaction = fault, .sa_flags = SA_SIGINFO | SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGBUS, &action, 0);
  protections();
  changes();
  rewritten();
  by_another_thread();
  return 0;
}
