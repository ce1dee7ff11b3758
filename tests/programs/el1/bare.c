// The platform at EL1, without anything below it: page tables, vectors, a PL011, the virtual timer with or without a GICv3, PSCI.
#include "platform.h"

void program(void);

#define REGISTER(address) (*(volatile uint32_t *)(uint64_t)(address))
#define READ_SYSTEM(name) ({ uint64_t value; __asm__ volatile("mrs %0, " #name : "=r"(value)); value; })
#define WRITE_SYSTEM(name, value) __asm__ volatile("msr " #name ", %0" ::"r"((uint64_t)(value)) : "memory")

enum { UART = 0x09000000, GICD = 0x08000000, GICR = 0x10000000, TIMER = 27 };

void put(char c) {
    while (REGISTER(UART + 0x18) & 1 << 5)
        ;
    REGISTER(UART) = (uint8_t)c;
}

// ---- translation: 1 GiB of devices, then memory in 2 MiB blocks, and one table of pages for `page`

enum { VALID = 1, TABLE = 3, USED = 1 << 10, SHARED = 3 << 8, READ_ONLY = 1 << 7, MEMORY = 1 << 2 };
#define NO_EXECUTE (3ul << 53)

static _Alignas(4096) uint64_t level1[512], level2[512], level3[512];
static _Alignas(4096) uint8_t frame[PAGE_SIZE];
// In the last 2 MiB of the second GiB, where no memory is: only the table leads to `frame`.
uint8_t *const page = (uint8_t *)(0x7fe00000 + 5 * PAGE_SIZE);

void protect(enum access access) {
    uint64_t *entry = &level3[5], physical = (uint64_t)frame;
    *entry = 0;
    __asm__ volatile("dsb ishst\ntlbi vaae1is, %0\ndsb ish\nisb" ::"r"((uint64_t)page >> 12) : "memory");
    if (access != NOTHING)
        *entry = physical | NO_EXECUTE | USED | SHARED | MEMORY | TABLE | (access == READ ? READ_ONLY : 0);
    __asm__ volatile("dsb ishst\nisb" ::: "memory");
}

static void translate(void) {
    level1[0] = NO_EXECUTE | USED | VALID;
    level1[1] = (uint64_t)level2 | TABLE;
    for (uint64_t i = 0; i < 512; i++)
        level2[i] = (0x40000000 + (i << 21)) | USED | SHARED | MEMORY | VALID;
    level2[511] = (uint64_t)level3 | TABLE;
    protect(READ_WRITE);
    WRITE_SYSTEM(mair_el1, 0xff00);
    // 39 bits from TTBR0 with 4 KiB granules, write-back and shared walks, no TTBR1, 36 bits of physical address.
    WRITE_SYSTEM(tcr_el1, 0x100803519);
    WRITE_SYSTEM(ttbr0_el1, level1);
    __asm__ volatile("tlbi vmalle1\ndsb ish\nisb" ::: "memory");
    WRITE_SYSTEM(sctlr_el1, READ_SYSTEM(sctlr_el1) | 0x1005);
    __asm__ volatile("isb");
}

// ---- exceptions

// Where the code that expects a fault goes on after it, and the class of the exception; NONE if there was none.
enum { NONE = 64, UNDEFINED = 0, FETCH = 0x21, DATA = 0x25 };
static volatile uint64_t recover, class;

#define TRIED(code, ...)                                                                                          \
    ({                                                                                                            \
        class = NONE;                                                                                             \
        __asm__ volatile("adr x9, 1f\nstr x9, [%[recover]]\n" code "\n1: str xzr, [%[recover]]"                  \
                         : __VA_ARGS__, [recover] "r"(&recover)                                                   \
                         : "x9", "x30", "memory");                                                                \
        class;                                                                                                    \
    })

int load_faults(volatile uint64_t *at, uint64_t *value) {
    uint64_t loaded = 0;
    uint64_t seen = TRIED("ldr %[loaded], [%[at]]", [loaded] "+&r"(loaded) : [at] "r"(at));
    *value = loaded;
    return seen == DATA;
}

int store_faults(volatile uint64_t *at, uint64_t value) {
    return TRIED("str %[value], [%[at]]", : [at] "r"(at), [value] "r"(value)) == DATA;
}

int undefined_faults(void) { return TRIED("udf #7", : "r"(0)) == UNDEFINED; }

int call_faults(void *at) { return TRIED("blr %[at]", : [at] "r"(at)) == FETCH; }

static void off(void) {
    register uint64_t function __asm__("x0") = 0x84000008;
    __asm__ volatile("hvc #0" ::"r"(function));
}

static void text(const char *text) {
    while (*text)
        put(*text++);
}

// Answers where to go on.
uint64_t synchronous(void) {
    uint64_t to = recover;
    if (!to) {
        text("an exception that should not be\n");
        off();
    }
    class = READ_SYSTEM(esr_el1) >> 26;
    return to;
}

// ---- timer

volatile unsigned ticks;
static int has_gic;

static void again(void) { WRITE_SYSTEM(cntv_tval_el0, READ_SYSTEM(cntfrq_el0) / 1000); }

void interrupt(void) {
    uint64_t number = has_gic ? READ_SYSTEM(s3_0_c12_c12_0) : TIMER;
    if (number == TIMER) {
        ticks++;
        again();
    }
    if (has_gic)
        WRITE_SYSTEM(s3_0_c12_c12_1, number);
    else
        // The VMM looks at the timer's level after an exit: this is one.
        (void)REGISTER(UART + 0x18);
}

void start_timer(void) {
    has_gic = (READ_SYSTEM(id_aa64pfr0_el1) >> 24 & 15) != 0;
    if (has_gic) {
        REGISTER(GICD) = 0x12;
        REGISTER(GICR + 0x14) &= ~2u;
        while (REGISTER(GICR + 0x14) & 4)
            ;
        REGISTER(GICR + 0x10080) = 1u << TIMER;
        REGISTER(GICR + 0x10100) = 1u << TIMER;
        WRITE_SYSTEM(s3_0_c4_c6_0, 0xff);
        WRITE_SYSTEM(s3_0_c12_c12_7, 1);
    }
    again();
    WRITE_SYSTEM(cntv_ctl_el0, 1);
    __asm__ volatile("isb\nmsr daifclr, #2" ::: "memory");
}

void stop_timer(void) {
    __asm__ volatile("msr daifset, #2" ::: "memory");
    WRITE_SYSTEM(cntv_ctl_el0, 0);
}

void wait_for_interrupt(void) { __asm__ volatile("wfi" ::: "memory"); }

// ---- begin

void begin(void) {
    translate();
    program();
    off();
}
