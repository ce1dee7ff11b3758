// The six kernels of the engine benchmark: freestanding C, the same source for every machine that runs them.
// Each does `n` rounds of work and answers a number that depends on all of it.
#pragma once
typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
u64 kernel(u64 n);
