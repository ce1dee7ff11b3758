// Branches that depend on data: the lengths of Collatz sequences.
#include "kernels.h"

u64 kernel(u64 n) {
    u64 total = 0;
    for (u64 round = 0; round < n; round++) {
        for (u32 start = 1; start < 300; start++) {
            u32 x = start + (u32)round % 7, steps = 0;
            while (x != 1) {
                if (x & 1) x = 3 * x + 1;
                else x >>= 1;
                steps++;
            }
            total = total * 31 + steps;
        }
    }
    return total;
}
