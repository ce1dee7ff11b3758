// What compilers call without being asked, also in a freestanding program.
#include <stddef.h>
#include <stdint.h>

void *memcpy(void *restrict to, const void *restrict from, size_t size) {
    uint8_t *out = to;
    for (const uint8_t *in = from; size--;)
        *out++ = *in++;
    return to;
}

void *memmove(void *to, const void *from, size_t size) {
    uint8_t *out = to;
    const uint8_t *in = from;
    if ((uintptr_t)out - (uintptr_t)in >= size)
        return memcpy(to, from, size);
    while (size--)
        out[size] = in[size];
    return to;
}

void *memset(void *to, int value, size_t size) {
    for (uint8_t *out = to; size--;)
        *out++ = (uint8_t)value;
    return to;
}

int memcmp(const void *a, const void *b, size_t size) {
    const uint8_t *left = a, *right = b;
    for (; size--; left++, right++)
        if (*left != *right)
            return *left - *right;
    return 0;
}
