// The number of the CPU comes in X0; PSCI's SYSTEM_OFF ends the program, its code in X1.
        .globl _start
_start: bl      main
        mov     x1, x0
        movz    w0, #0x8400, lsl #16
        movk    w0, #8
        hvc     #0
