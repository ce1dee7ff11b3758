# The number of the CPU comes in RDI, the stack as behind a call; AL is the program's code.
        .globl _start
_start: call main
        hlt
