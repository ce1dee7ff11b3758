// A program that computes, formats, faults and is interrupted, on two platforms that have to print the same.
#include <stdarg.h>

#include "platform.h"

#define COUNT(array) (sizeof(array) / sizeof *(array))

// ---- formatting

static void put_text(const char *text) {
    while (*text)
        put(*text++);
}

static void put_number(uint64_t number, unsigned base, int width, char fill, int negative) {
    char digits[72];
    int length = 0;
    do
        digits[length++] = "0123456789abcdef"[number % base];
    while (number /= base);
    if (negative)
        digits[length++] = '-';
    while (length < width)
        digits[length++] = fill;
    while (length)
        put(digits[--length]);
}

// %s %c %d %u %x %f with `l`, a width and a leading 0; %f has six decimals.
static void print(const char *format, ...) {
    va_list values;
    va_start(values, format);
    for (; *format; format++) {
        if (*format != '%') {
            put(*format);
            continue;
        }
        char fill = ' ';
        int width = 0, is_long = 0;
        if (*++format == '0')
            fill = *format++;
        for (; *format >= '0' && *format <= '9'; format++)
            width = 10 * width + *format - '0';
        for (; *format == 'l'; format++)
            is_long = 1;
        switch (*format) {
        case 's':
            put_text(va_arg(values, const char *));
            break;
        case 'c':
            put((char)va_arg(values, int));
            break;
        case 'd': {
            int64_t number = is_long ? va_arg(values, int64_t) : va_arg(values, int);
            put_number(number < 0 ? -(uint64_t)number : (uint64_t)number, 10, width, fill, number < 0);
            break;
        }
        case 'u':
        case 'x':
            put_number(is_long ? va_arg(values, uint64_t) : va_arg(values, unsigned), *format == 'x' ? 16 : 10, width,
                       fill, 0);
            break;
        case 'f': {
            double number = va_arg(values, double);
            int negative = number < 0;
            uint64_t millionths = (uint64_t)((negative ? -number : number) * 1e6 + 0.5);
            put_number(millionths / 1000000, 10, width, fill, negative);
            put('.');
            put_number(millionths % 1000000, 10, 6, '0', 0);
            break;
        }
        default:
            put(*format);
        }
    }
    va_end(values);
}

// ---- computing

static uint64_t seed;

static uint32_t random_number(void) {
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return (uint32_t)(seed * 0x2545f4914f6cdd1d >> 32);
}

static uint64_t hash(const void *bytes, size_t size) {
    const uint8_t *at = bytes;
    uint64_t hash = 0xcbf29ce484222325;
    while (size--)
        hash = (hash ^ *at++) * 0x100000001b3;
    return hash;
}

enum { SIZE = 1000 };

// Each of these loops is one that compilers vectorize: other widths, signs, conversions and reductions.
static void loops(void) {
    static uint8_t bytes[SIZE];
    static int16_t halves[SIZE];
    static int32_t words[SIZE];
    static uint64_t doubles[SIZE];
    static float singles[SIZE];
    static double reals[SIZE];
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)random_number();
    for (int i = 0; i < SIZE; i++)
        halves[i] = (int16_t)(bytes[i] * 3 - 400);
    for (int i = 0; i < SIZE; i++)
        words[i] = halves[i] * halves[SIZE - 1 - i] + bytes[i];
    for (int i = 0; i < SIZE; i++)
        doubles[i] = (uint64_t)words[i] << (bytes[i] & 31) ^ (uint64_t)halves[i];
    for (int i = 0; i < SIZE; i++)
        singles[i] = (float)words[i] * 0.125f - (float)bytes[i];
    for (int i = 0; i < SIZE; i++)
        reals[i] = (double)singles[i] / 3.0 + (double)halves[i];
    for (int i = 0; i < SIZE; i++)
        halves[i] = (int16_t)(halves[i] > 100 ? 100 : halves[i] < -100 ? -100 : halves[i]);
    for (int i = 0; i < SIZE; i++)
        bytes[i] = (uint8_t)((bytes[i] + bytes[SIZE - 1 - i] + 1) >> 1);
    for (int i = 0; i < SIZE; i++)
        words[i] = (int32_t)reals[i] - (words[i] >> 3);
    int64_t sum = 0;
    int32_t least = words[0], most = words[0];
    uint32_t bits = 0;
    for (int i = 0; i < SIZE; i++) {
        sum += words[i];
        least = words[i] < least ? words[i] : least;
        most = words[i] > most ? words[i] : most;
    }
    for (int i = 0; i < SIZE; i++)
        bits += (uint32_t)__builtin_popcountll(doubles[i]);
    print("loops: %ld %d %d %u\n", sum, least, most, bits);
    print("bytes %016lx halves %016lx\n", hash(bytes, sizeof bytes), hash(halves, sizeof halves));
    print("words %016lx doubles %016lx\n", hash(words, sizeof words), hash(doubles, sizeof doubles));
    print("singles %016lx reals %016lx\n", hash(singles, sizeof singles), hash(reals, sizeof reals));
}

static double matrices(void) {
    enum { N = 24 };
    static double a[N][N], b[N][N], c[N][N];
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            a[i][j] = (double)(i * j % 7) + 0.25, b[i][j] = (double)((i + 2 * j) % 5) - 1.5, c[i][j] = 0;
    for (int i = 0; i < N; i++)
        for (int k = 0; k < N; k++)
            for (int j = 0; j < N; j++)
                c[i][j] += a[i][k] * b[k][j];
    double trace = 0;
    for (int i = 0; i < N; i++)
        trace += c[i][i] / (1 + c[i][(i + 1) % N] * c[i][(i + 1) % N]);
    return trace;
}

static double square_root(double of) {
    double root = of / 2;
    for (int i = 0; i < 30; i++)
        root = (root + of / root) * 0.5;
    return root;
}

struct item {
    uint32_t key;
    char name[12];
    double weight;
};

static int by_key(const struct item *a, const struct item *b) { return a->key < b->key ? -1 : a->key > b->key; }
static int by_weight(const struct item *a, const struct item *b) { return a->weight < b->weight ? 1 : a->weight > b->weight ? -1 : by_key(a, b); }

// Shell sort of structures by a function pointer: they are copied by value.
static void sort(struct item *items, int count, int (*compare)(const struct item *, const struct item *)) {
    for (int gap = count / 2; gap; gap /= 2)
        for (int i = gap; i < count; i++) {
            struct item item = items[i];
            int j = i;
            for (; j >= gap && compare(&items[j - gap], &item) > 0; j -= gap)
                items[j] = items[j - gap];
            items[j] = item;
        }
}

static void sorting(void) {
    static struct item items[200];
    for (unsigned i = 0; i < COUNT(items); i++) {
        items[i].key = random_number() % 1000;
        items[i].weight = (double)(random_number() % 500) / 8;
        for (unsigned at = 0; at < sizeof items[i].name; at++)
            items[i].name[at] = (char)(at < i % 11 ? 'a' + (i + at) % 26 : 0);
    }
    sort(items, COUNT(items), by_key);
    print("first %u %s %f, last %u\n", items[1].key, items[1].name, items[1].weight, items[COUNT(items) - 1].key);
    sort(items, COUNT(items), by_weight);
    print("heaviest %u %f, %016lx\n", items[0].key, items[0].weight, hash(items, sizeof items));
}

static uint64_t recursion(uint64_t m, uint64_t n) {
    return m == 0 ? n + 1 : n == 0 ? recursion(m - 1, 1) : recursion(m - 1, recursion(m, n - 1));
}

static uint64_t wide(void) {
    unsigned __int128 product = 1;
    for (uint64_t factor = 3; factor < 60; factor += 2)
        product = product * factor + (product >> 77);
    int64_t quotient = -1234567890123456789;
    return (uint64_t)(product >> 64) ^ (uint64_t)product ^ (uint64_t)(quotient / 997) ^ (uint64_t)(quotient % 997);
}

static void moving(void) {
    static uint8_t from[4096], to[4096];
    for (unsigned i = 0; i < sizeof from; i++)
        from[i] = (uint8_t)(i * 7 + (i >> 8));
    for (unsigned size = 0; size < 600; size += 37) {
        __builtin_memset(to + size, (int)size, size + 1);
        __builtin_memcpy(to + 3 * size, from + size / 2, size);
        __builtin_memmove(to + size, to + size / 2 + 1, 2 * size);
        __builtin_memmove(to + size / 2 + 1, to + size, 2 * size);
    }
    print("moved %016lx, same %d\n", hash(to, sizeof to), __builtin_memcmp(from, to, 10) != 0);
}

static void atomics(void) {
    static uint64_t count, word = 5;
    static uint8_t byte = 250;
    static uint16_t half = 7;
    __atomic_fetch_add(&count, 40, __ATOMIC_SEQ_CST);
    uint64_t before = __atomic_exchange_n(&word, 9, __ATOMIC_ACQ_REL);
    __atomic_fetch_add(&byte, 10, __ATOMIC_RELAXED);
    __atomic_fetch_or(&half, 0x7f0, __ATOMIC_RELEASE);
    __atomic_fetch_and(&half, 0x3ff, __ATOMIC_ACQUIRE);
    __atomic_fetch_xor(&count, 0xff, __ATOMIC_SEQ_CST);
    uint64_t expected = 8;
    int failed = !__atomic_compare_exchange_n(&word, &expected, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    int stored = __atomic_compare_exchange_n(&word, &expected, 77, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
    print("atomics: %lu %lu %u %u %lu %d %d %lu\n", count, before, byte, half, expected, failed, stored, word);
}

// ---- faults and interrupts

static void faults(void) {
    volatile uint64_t *at = (volatile uint64_t *)page;
    uint64_t value = 0;
    protect(READ_WRITE);
    int stored = store_faults(at, 42), loaded = load_faults(at, &value);
    print("writable: %d %d %lu\n", stored, loaded, value);
    protect(READ);
    stored = store_faults(at, 43), loaded = load_faults(at, &value);
    print("readable: %d %d %lu\n", stored, loaded, value);
    protect(NOTHING);
    stored = store_faults(at, 44), loaded = load_faults(at, &value);
    print("nothing: %d %d %lu\n", stored, loaded, value);
    protect(READ_WRITE);
    loaded = load_faults(at, &value);
    print("again: %d %lu, undefined %d, called %d\n", loaded, value, undefined_faults(), call_faults(page));
}

// Computes over and over while the timer interrupts, which must not be seen in any register.
static void interrupted(void) {
    double root = square_root(2);
    uint64_t deep = recursion(2, 9);
    unsigned wrong = 0;
    start_timer();
    while (ticks < 20) {
        wrong += square_root(2) != root;
        wrong += recursion(2, 9) != deep;
    }
    for (unsigned seen = ticks; ticks < seen + 3;)
        wait_for_interrupt();
    stop_timer();
    print("interrupted: %u wrong, %f, %lu\n", wrong, root, deep);
}

void program(void) {
    seed = 0x123456789abcdef;
    print("%s %d %05d %5d|%x %08x %c%% %ld %lu\n", "format", -7, -7, 123, 0xbeefu, 0xbeefu, 'x', INT64_MIN, UINT64_MAX);
    print("%f %f %f\n", 3.25, -0.5, 12345.678901);
    loops();
    print("matrices %f, roots %f %f\n", matrices(), square_root(3), square_root(1e10));
    sorting();
    print("recursion %lu %lu, wide %016lx\n", recursion(2, 6), recursion(3, 4), wide());
    moving();
    atomics();
    faults();
    interrupted();
    print("end\n");
}
