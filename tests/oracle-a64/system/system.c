// A program at EL1 that provokes what user mode cannot: exceptions, translation faults, AT, TLBI, debug events. It prints the state after
// each, which has to be the same on the software engine and on QEMU.
//
// Left out because QEMU 7.2 departs from the manual: the syndrome of a trapped MSR (immediate) has op1 and op2 exchanged, a store-exclusive
// without a monitor does not check its alignment, cache maintenance does not translate, SP is not checked, blocks are taken at levels that have
// none, and PAR_EL1.SH is that of the descriptor for Device and non-cacheable memory too.
#include <stdint.h>

#define READ(name) ({ uint64_t value; __asm__ volatile("mrs %0, " #name : "=r"(value)::"memory"); value; })
#define WRITE(name, value) __asm__ volatile("msr " #name ", %0\nisb" ::"r"((uint64_t)(value)) : "memory")
#define COUNT(array) (sizeof(array) / sizeof *(array))

void attempt(uint64_t code, uint64_t spsr, uint64_t x0, uint64_t x1);

uint64_t saved;
struct {
    uint64_t vector, x0, esr, elr, far, spsr;
} seen;

// ---- printing

static void put(char c) { *(volatile uint32_t *)0x09000000 = (uint8_t)c; }

static void text(const char *text) {
    while (*text)
        put(*text++);
}

static void hex(uint64_t number) {
    int shift = 60;
    while (shift && !(number >> shift))
        shift -= 4;
    put(' ');
    for (; shift >= 0; shift -= 4)
        put("0123456789abcdef"[number >> shift & 15]);
}

static uint64_t seed = 0x9e3779b97f4a7c15;

static uint64_t random_number(void) {
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1d;
}

static uint64_t below(uint64_t end) { return (random_number() >> 20) % end; }

// ---- the program's own translation: TTBR0, 4 KiB granules, 39 bits

#define ALIAS 0x40000000ul
enum { USED = 1 << 10, USER = 1 << 6, SCTLR = 0x30d00801 | 1 << 23 | 1 << 3 | 1 << 4 };
static _Alignas(4096) uint64_t own[512];
// TCR_EL1 without the upper half: T0SZ 25, write-back and shared walks, 36 bits of physical address.
#define TCR (0x100000000 | 0x3519)
#define NO_UPPER (1 << 23)

static void translate(void) {
    own[0] = 3ul << 53 | USED | 1;
    own[1] = 0x40000000 | USED | 0x705;
    // The same memory for EL0.
    own[2] = 0x40000000 | USED | USER | 0x705;
    WRITE(mair_el1, 0x44ff04bbff00);
    WRITE(tcr_el1, TCR | NO_UPPER);
    WRITE(ttbr0_el1, own);
    __asm__ volatile("tlbi vmalle1\ndsb ish\nisb" ::: "memory");
    WRITE(sctlr_el1, SCTLR);
}

// ---- exceptions

static _Alignas(64) uint32_t code[16];
enum { EL0 = 0x3c0, EL1T = 0x3c4, EL1H = 0x3c5, SVC = 0xd4002461 };

static void flush(void) {
    for (unsigned i = 0; i < COUNT(code); i++)
        __asm__ volatile("dc cvau, %0" ::"r"(&code[i]) : "memory");
    __asm__ volatile("dsb ish\nic iallu\ndsb ish\nisb" ::: "memory");
}

static void show(const char *what, uint64_t number) {
    uint64_t class = seen.esr >> 26, base = (uint64_t)code;
    text(what);
    hex(number);
    hex(seen.vector);
    hex(seen.esr);
    // From where the code is, at both of its addresses.
    uint64_t elr = seen.elr >= base + ALIAS ? seen.elr - base - ALIAS : seen.elr - base;
    hex(elr < 64 ? elr : seen.elr);
    hex(seen.spsr & 0xf07003df);
    // FAR_EL1 is unknown after other exceptions; of a watchpoint it is some address of the access up to the one that is watched.
    if (class == 0x20 || class == 0x21 || class == 0x22 || class == 0x24 || class == 0x25 || class == 0x34 || class == 0x35)
        hex(class >= 0x34 ? seen.far & ~7ul : seen.far);
    put('\n');
}

// Runs two words and SVC #123h at each level.
static void words(const char *what, uint32_t first, uint32_t second, uint64_t x0, uint64_t x1, uint64_t flags) {
    code[0] = first;
    code[1] = second;
    code[2] = SVC;
    flush();
    uint64_t levels[] = {EL0, EL1T, EL1H};
    for (int i = 0; i < 3; i++) {
        uint64_t at = (uint64_t)code + (i ? 0 : ALIAS);
        WRITE(sp_el0, 0x40f00800 + ALIAS);
        attempt(at, levels[i] | flags, x0 + (i || x0 < 0x40000000 || x0 > 0x41000000 ? 0 : ALIAS), x1);
        show(what, first);
    }
}

enum { NOP = 0xd503201f };

static void exceptions(void) {
    uint64_t data = 0x40f00000;
    static const uint32_t plain[] = {
        NOP, 0x00000000, 0x0000ffff, 0xd4000001, 0xd41fffe1, 0xd4200000, 0xd43fffe0, 0xd4400000, 0xffffffff, 0x9ac00c00,
        0xd4a00001, 0xd4a00002, 0xd4a00003, // DCPS
        0xd5384240, 0xd538d080, 0xd53bd040, 0xd51bd060, 0xd538c000, // CurrentEL, TPIDR_EL1, TPIDR_EL0, TPIDRRO_EL0, VBAR_EL1
        0xd53b4200, 0xd51b4200, 0xd53b4220, // NZCV, DAIF
        0xd500409f, 0xd500419f, 0xd50040bf, 0xd5384203, // PAN, SPSel
        0xd53b0020, 0xd53b00e0, 0xd50b7420, 0xd50b7e20, 0xd50b7a20, 0xd50b7b20, 0xd50b7520, // CTR, DCZID, DC ZVA, CIVAC, CVAC, CVAU, IC IVAU
        0xd5087620, 0xd508871f, 0xd508751f, 0xd5087800, // DC IVAC, TLBI, IC, AT
        0xd53be000, 0xd53be040, 0xd53be320, 0xd53be340, 0xd53be300, // CNTFRQ, CNTVCT, CNTV_CTL, CVAL, TVAL
        0xd53b4400, 0xd53b4420, 0x1e602000, 0x4e208400, 0x4c407000, 0x3dc00000, // FPCR, FPSR, FCMP, ADD, LD1, LDR Q
        0xd503201f, 0xd503203f, 0xd503209f, 0xd50320bf, 0xd5033fdf, 0xd5033f9f, 0xd5033f5f, // hints, barriers, CLREX
        0xd5180000, 0xd5380040 | 0x1000, 0xd5181000, 0xd5182000, 0xd5182040, 0xd53c1100, 0xd53e1100, 0xd539a000, // MIDR, SCTLR, TTBR0, EL2, EL3
    };
    for (unsigned i = 0; i < COUNT(plain); i++) {
        uint64_t x0 = plain[i] == 0xd5181000 ? SCTLR : plain[i] == 0xd5182000 ? (uint64_t)own : plain[i] == 0xd5182040 ? (TCR | NO_UPPER) : data;
        words("plain", plain[i], NOP, x0, 0, 0);
    }
    // What SCTLR_EL1 and CPACR_EL1 allow EL0: UMA, UCT, DZE, UCI, nTWI, nTWE, A; FPEN.
    static const uint8_t bits[] = {9, 15, 14, 26, 16, 18, 1};
    static const uint32_t controlled[] = {
        0xd53b4220, 0xd53b0020, 0xd50b7420, 0xd50b7e20, 0xd50b7520, 0xd503207f, 0xd503205f, 0xf94003e0, 0xa94003e0, 0xf9400000,
    };
    for (unsigned bit = 0; bit <= COUNT(bits); bit++) {
        WRITE(sctlr_el1, bit < COUNT(bits) ? SCTLR ^ 1ul << bits[bit] : SCTLR);
        for (unsigned i = 0; i < COUNT(controlled); i++) {
            // WFE and WFI at EL1 may wait for ever: an event is there, and no interrupt.
            if (controlled[i] == 0xd503207f && bits[bit % COUNT(bits)] == 16)
                continue;
            if (controlled[i] == 0xd503207f) {
                code[0] = controlled[i], code[1] = SVC;
                flush();
                attempt((uint64_t)code + ALIAS, EL0, 0, 0);
                show("wfi", bit);
                continue;
            }
            __asm__ volatile("sevl");
            words("sctlr", controlled[i], NOP, data + 4, 0, 0);
        }
    }
    WRITE(sctlr_el1, SCTLR);
    for (uint64_t fpen = 0; fpen < 4; fpen++) {
        WRITE(cpacr_el1, fpen << 20);
        words("fpen", 0x1e604000, NOP, 0, 0, 0);
        words("fpen", 0x4e208400, NOP, 0, 0, 0);
        words("fpen", 0x3dc00000, NOP, data, 0, 0);
        words("fpen", 0xd53b4400, NOP, 0, 0, 0);
    }
    for (uint64_t enable = 0; enable < 4; enable++) {
        WRITE(cntkctl_el1, enable << 1 | enable << 8);
        words("cntkctl", 0xd53be000, NOP, 0, 0, 0);
        words("cntkctl", 0xd53be040, NOP, 0, 0, 0);
        words("cntkctl", 0xd53be320, NOP, 0, 0, 0);
    }
    WRITE(cntkctl_el1, 0);
}

// Accesses that are not aligned, and addresses that are not there, with every kind of instruction.
static void aborts(void) {
    static const uint32_t accesses[] = {
        0x39400000, 0x79400000, 0xb9400000, 0xf9400000, 0x39000001, 0x79000001, 0xb9000001, 0xf9000001, 0xa9400400, 0xa9000400, 0xf8408400, 0xf8408c00,
        0x3dc00000, 0x3d800000, 0xad400400, 0x4c407000, 0x0d408000, 0xc85f7c00, 0xc8dffc00, 0xc89ffc01, 0xc87f0400, 0xf8210000, 0xc8a07c01,
        0x48207c02, 0xf8218000, 0xf8400800, 0xf8000801, 0xb8808000, 0xd50b7420, 0xf9800000,
    };
    static const uint64_t addresses[] = {
        0x40f00001, 0x40f00002, 0x40f00004, 0x40f00008, 0x40f0003c, 0xc0000000, 0xc0000001, 0xffffffff, 0x7fffffffff, 0x8000000000, 0x1000000000008, 0xffffffffffffff00, 0xffffff8000000003,
    };
    WRITE(cpacr_el1, 3 << 20);
    for (int strict = 0; strict < 2; strict++) {
        WRITE(sctlr_el1, SCTLR | (strict ? 2 : 0) | 1 << 14 | 1 << 26);
        for (unsigned i = 0; i < COUNT(accesses); i++)
            for (unsigned j = 0; j < COUNT(addresses); j++)
                words(strict ? "strict" : "access", accesses[i], NOP, addresses[j], 0x77, 0);
    }
    WRITE(sctlr_el1, SCTLR);
    for (unsigned j = 0; j < COUNT(addresses); j++) {
        // PC alignment comes before translation, which QEMU does first.
        words("branch", 0xd61f0000, NOP, j < 5 ? addresses[j] : addresses[j] & ~3ul, 0, 0);
    }
    // Illegal returns: PSTATE.IL, and the exception at the target.
    static const uint64_t illegal[] = {0x3c9, 0x3cd, 0x3c1, 0x3d3, 0x3c6, 0x1003c5, 0x2003c5, 0xf00003c0};
    code[0] = 0xd69f03e0;
    code[1] = code[2] = SVC;
    flush();
    for (unsigned i = 0; i < COUNT(illegal); i++) {
        attempt((uint64_t)code + 4, illegal[i], 0, 0);
        show("illegal", illegal[i]);
    }
}

// ---- translation of the upper half, by AT and by accesses

enum { TABLES = 12 };
static _Alignas(65536) uint64_t tables[TABLES][8192];

// A descriptor that leads to another table, to some memory of the program, or nowhere, with random attributes.
static uint64_t descriptor(int granule_bits, int blocks) {
    uint64_t attributes = random_number() & 0xfff0000000000ffc & ~(1ul << 51);
    // Mostly used, and no bits of later extensions.
    attributes |= below(4) ? USED : 0;
    attributes &= ~(0xful << 55 | 1ul << 50) | (below(3) ? 0 : 0xful << 59);
    switch (below(8)) {
    case 0:
        return attributes; // invalid
    case 1:
        if (!blocks)
            return attributes;
        return attributes | 1 | (0x40000000 + (below(16) << 20)) >> granule_bits << granule_bits; // block, if there is one here
    case 2:
        // Beyond the 36 bits of TCR_EL1.IPS.
        return attributes | 3 | (1ul << 36 << below(12)) | (uint64_t)tables[below(TABLES)];
    default:
        return attributes | 3 | (uint64_t)tables[below(TABLES)];
    }
}

// PAR_EL1 without NS, which is unknown, and SH where QEMU departs.
static void show_result(void) {
    uint64_t result = READ(par_el1), memory = result >> 56;
    if (!(result & 1)) {
        result &= ~(1ul << 9);
        if (memory < 0x10 || memory == 0x44)
            result &= ~(3ul << 7);
    }
    hex(result);
}

static void at_all(uint64_t address) {
#define AT(operation)                                                       \
    __asm__ volatile("at " operation ", %0\nisb" ::"r"(address) : "memory"); \
    show_result()
    AT("s1e1r");
    AT("s1e1w");
    AT("s1e0r");
    AT("s1e0w");
    __asm__ volatile("msr pan, #1");
    AT("s1e1r");
    __asm__ volatile(".arch armv8.2-a\nat s1e1rp, %0\nisb" ::"r"(address) : "memory");
    show_result();
    __asm__ volatile("at s1e1wp, %0\nisb" ::"r"(address) : "memory");
    show_result();
    __asm__ volatile("msr pan, #0");
}

static void upper_half(void) {
    // TG1: 16 KiB, 4 KiB, 64 KiB.
    static const int granules[] = {0, 14, 12, 16};
    for (int round = 0; round < 60; round++) {
        uint64_t tg1 = 1 + below(3), bits = (uint64_t)granules[tg1], t1sz = 16 + below(24);
        // Level 1 of 4 KiB, level 2 of the others is the first that has blocks.
        int blocks = t1sz >= (bits == 12 ? 25 : bits == 14 ? 28 : 22);
        for (int table = 0; table < TABLES; table++)
            for (int i = 0; i < 1 << (bits - 3); i++)
                tables[table][i] = descriptor((int)bits, blocks);
        uint64_t flags = below(4) == 0 ? 1ul << 42 : 0, byte = below(2) << 38, none = below(12) == 0 ? NO_UPPER : 0;
        uint64_t control = TCR | t1sz << 16 | tg1 << 30 | 0x35ul << 24 | flags | byte | none;
        WRITE(ttbr1_el1, tables[below(TABLES)]);
        WRITE(tcr_el1, control);
        __asm__ volatile("tlbi vmalle1\ndsb ish\nisb" ::: "memory");
        text("tcr");
        hex(control);
        put('\n');
        for (int i = 0; i < 40; i++) {
            uint64_t address = ~0ul << (64 - t1sz) | random_number() >> t1sz;
            if (below(10) == 0)
                address ^= 1ul << (50 + below(14));
            text("at");
            hex(address);
            at_all(address);
            put('\n');
        }
    }
    WRITE(tcr_el1, TCR | NO_UPPER);
}

// Reads and writes at addresses whose tables change, with each of the invalidations.
static void invalidations(void) {
    static const uint32_t loads[] = {0xf9400000, 0xf9000001, 0xf8400800, 0xd61f0000};
    static const uint64_t pages[] = {0, 0x403, 0x443, 0x483, 0x4c3, 3, 0x403 | 1ul << 53, 0x403 | 1ul << 54, 0x443 | 1ul << 53, 0x403 | 1ul << 11};
    uint64_t *top = tables[0], *middle = tables[1], *last = tables[2];
    for (int i = 0; i < 512; i++)
        top[i] = middle[i] = last[i] = 0;
    top[0] = (uint64_t)middle | 3;
    middle[0] = (uint64_t)last | 3;
    WRITE(ttbr1_el1, (uint64_t)top | 5ul << 48);
    // 4 KiB granules, 39 bits; A1: the ASID is that of TTBR1.
    WRITE(tcr_el1, TCR | 25 << 16 | 2ul << 30 | 0x35ul << 24 | 1 << 22);
    volatile uint64_t *data = (uint64_t *)0x40f00000;
    for (int page = 0; page < 16; page++)
        data[512 * page] = 0xd4002461 | (uint64_t)page << 32;
    for (int round = 0; round < 600; round++) {
        uint64_t page = below(16), address = 0xffffff8000000000 + (page << 12);
        last[page] = below(5) ? pages[below(COUNT(pages))] | ((uint64_t)data + (below(16) << 12)) : 0;
        if (below(20) == 0)
            middle[0] ^= 3ul << 59 | 1ul << 61;
        __asm__ volatile("dsb ishst" ::: "memory");
        uint64_t operand = (address >> 12 & 0xfffffffffff) | 5ul << 48;
        switch (below(12)) {
        case 0: __asm__ volatile("tlbi vmalle1"); break;
        case 1: __asm__ volatile("tlbi vmalle1is"); break;
        case 2: __asm__ volatile("tlbi aside1, %0" ::"r"(operand)); break;
        case 3: __asm__ volatile("tlbi aside1is, %0" ::"r"(operand)); break;
        case 4: __asm__ volatile("tlbi vaae1, %0" ::"r"(operand)); break;
        case 5: __asm__ volatile("tlbi vaae1is, %0" ::"r"(operand)); break;
        case 6: __asm__ volatile("tlbi vae1, %0" ::"r"(operand)); break;
        case 7: __asm__ volatile("tlbi vae1is, %0" ::"r"(operand)); break;
        default: __asm__ volatile("tlbi vmalle1"); break;
        }
        __asm__ volatile("dsb ish\nisb" ::: "memory");
        code[0] = loads[below(COUNT(loads))];
        code[1] = SVC;
        flush();
        int user = below(3) == 0;
        uint64_t pan = below(2) << 22;
        attempt((uint64_t)code + (user ? ALIAS : 0), user ? EL0 : EL1H | pan, address, data[512 * page]);
        text("tlb");
        hex(seen.x0 & 0xffffffff);
        show("", code[0]);
        if ((middle[0] >> 59 & 7) && below(3) == 0) {
            middle[0] = (uint64_t)last | 3;
            __asm__ volatile("dsb ishst\ntlbi vmalle1\ndsb ish\nisb" ::: "memory");
        }
    }
    WRITE(tcr_el1, TCR | NO_UPPER);
}

// ---- debug events that the guest takes itself

static void debug(void) {
    WRITE(oslar_el1, 0);
    code[0] = NOP;
    code[1] = 0xf9400000; // LDR X0, [X0]
    code[2] = 0xf9000001; // STR X1, [X0]
    code[3] = SVC;
    code[4] = 0xc85f7c00; // LDXR X0, [X0]
    code[5] = SVC;
    flush();
    uint64_t data = 0x40f00000 + ALIAS, at = (uint64_t)code + ALIAS;
    // What the first instruction loads.
    volatile uint64_t *pointer = (uint64_t *)0x40f00100;
    WRITE(mdscr_el1, 1);
    for (uint64_t offset = 0; offset < 24; offset += 4)
        for (uint64_t step = 0; step < 2; step++) {
            *pointer = data;
            attempt(at + offset, EL0 | step << 21, data + 0x100, 9);
            show("step", offset);
        }
    WRITE(mdscr_el1, 1 << 15);
    for (uint64_t kind = 0; kind < 4; kind++) {
        WRITE(dbgbvr0_el1, at + 4);
        WRITE(dbgbcr0_el1, 0xf << 5 | kind << 1 | 1);
        *pointer = data + 0x100;
        attempt(at, EL0, data + 0x100, 9);
        show("break", kind);
    }
    WRITE(dbgbcr0_el1, 0);
    for (uint64_t kind = 0; kind < 16; kind++) {
        WRITE(dbgwvr0_el1, data + 0x100);
        WRITE(dbgwcr0_el1, (kind & 1 ? 0xfful : 0x10ul) << 5 | (kind >> 1 & 3) << 3 | (kind & 8 ? 1 : 2) << 1 | 1);
        *pointer = data + 0x100;
        attempt(at, EL0, data + 0x100, 9);
        show("watch", kind);
    }
    WRITE(dbgwcr0_el1, 0);
    WRITE(mdscr_el1, 0);
}

void begin(void) {
    translate();
    WRITE(cpacr_el1, 3 << 20);
    exceptions();
    aborts();
    upper_half();
    invalidations();
    debug();
    text("end\n");
    register uint64_t function __asm__("x0") = 0x84000008;
    __asm__ volatile("hvc #0" ::"r"(function));
    for (;;)
        ;
}
