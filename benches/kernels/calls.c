// Recursive calls: Fibonacci numbers the slow way.
#include "kernels.h"

__attribute__((noinline, noclone, optimize("no-optimize-sibling-calls"))) static u64 fib(u64 n) {
    return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

u64 kernel(u64 n) {
    u64 total = 0;
    for (u64 round = 0; round < n; round++) total = total * 31 + fib(16 + round % 3);
    return total;
}
