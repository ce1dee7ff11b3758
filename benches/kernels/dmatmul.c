// Products of 48 by 48 matrices of doubles.
#include "kernels.h"

enum { N = 48 };
static double a[N][N], b[N][N], c[N][N];

u64 kernel(u64 n) {
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) a[i][j] = (double)(i * 3 + j) / 4, b[i][j] = (double)(i + j * 7) / 8, c[i][j] = 0;
    for (u64 round = 0; round < n; round++) {
        for (int i = 0; i < N; i++)
            for (int j = 0; j < N; j++) {
                double sum = 0;
                for (int k = 0; k < N; k++) sum += a[i][k] * b[k][j];
                c[i][j] += sum;
            }
        a[round % N][7] += 1;
    }
    u64 total = 0;
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++) total = total * 31 + (u64)c[i][j];
    return total;
}
