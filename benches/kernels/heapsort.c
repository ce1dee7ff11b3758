// Heap sort that compares through a function pointer.
#include "kernels.h"

enum { N = 1024 };
static u32 data[N];
static int less(const u32 *a, const u32 *b) { return *a < *b; }
static int greater(const u32 *a, const u32 *b) { return *a > *b; }
static int (*volatile order)(const u32 *, const u32 *);

static void sift(u32 *v, u32 root, u32 end, int (*before)(const u32 *, const u32 *)) {
    for (;;) {
        u32 child = 2 * root + 1, swap = v[root];
        if (child >= end) return;
        if (child + 1 < end && before(&v[child], &v[child + 1])) child++;
        if (!before(&v[root], &v[child])) return;
        v[root] = v[child];
        v[child] = swap;
        root = child;
    }
}

u64 kernel(u64 n) {
    u64 total = 0;
    u32 seed = 1;
    for (u64 round = 0; round < n; round++) {
        for (int i = 0; i < N; i++) data[i] = seed = seed * 1664525 + 1013904223;
        order = round & 1 ? greater : less;
        for (u32 i = N / 2; i-- > 0;) sift(data, i, N, order);
        for (u32 end = N; end-- > 1;) {
            u32 top = data[0];
            data[0] = data[end];
            data[end] = top;
            sift(data, 0, end, order);
        }
        total = total * 31 + data[round % N];
    }
    return total;
}
