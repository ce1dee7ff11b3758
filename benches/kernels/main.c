// A kernel as a program of the host, and under a user-mode emulator: prints its answer for as many rounds as it is told.
#include <stdio.h>
#include <stdlib.h>
#include "kernels.h"

int main(int argc, char **argv) {
    printf("%016llx\n", kernel(argc > 1 ? strtoull(argv[1], 0, 0) : 1));
    return 0;
}
