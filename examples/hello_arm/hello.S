// A program for EL1 without an operating system: turns on the MMU, prints through a PL011, computes with the FPU, takes an
// interrupt of the virtual timer, and switches itself off by PSCI.
//
// aarch64-linux-gnu-gcc -c -o hello.o hello.S && aarch64-linux-gnu-objcopy -O binary -j .text hello.o hello.bin
// Loaded at 40000000h and entered there with the MMU off.

        .equ    UART, 0x09000000        // PL011: data register at 0, flag register at 18h
        .equ    RAM, 0x40000000
        .equ    TABLES, 0x10000         // offsets into RAM
        .equ    STACK, 0x20000
        .equ    SYSTEM_OFF, 0x84000008

        .text
start:  adr     x20, start
        add     x0, x20, #STACK
        mov     sp, x0

        // Translation with 4 KiB granules from level 1, 39 bits: the first GiB devices, the second memory, both at themselves.
        add     x1, x20, #TABLES
        mov     x2, #0x401              // block, access flag, attribute 0
        movk    x2, #0x60, lsl #48      // never executed
        mov     x3, #0x705              // block, access flag, inner shareable, attribute 1
        movk    x3, #0x4000, lsl #16
        stp     x2, x3, [x1]
        mov     x4, #0xff00             // attribute 0 Device-nGnRnE, attribute 1 Normal write-back
        msr     mair_el1, x4
        ldr     x4, =0x100803519        // T0SZ 25, write-back, inner shareable, EPD1, 36 bits of physical address
        msr     tcr_el1, x4
        msr     ttbr0_el1, x1
        isb
        mrs     x4, sctlr_el1
        mov     x5, #0x1005             // I, C, M
        orr     x4, x4, x5
        msr     sctlr_el1, x4
        isb
        adr     x0, mmu
        bl      print

        // Newton's iteration for the square root of 2.
        mov     x0, #3 << 20            // CPACR_EL1.FPEN
        msr     cpacr_el1, x0
        isb
        fmov    d0, #2.0
        fmov    d1, #1.0
        fmov    d2, #0.5
        mov     x1, #6
1:      fdiv    d3, d0, d1
        fadd    d1, d1, d3
        fmul    d1, d1, d2
        subs    x1, x1, #1
        b.ne    1b
        adr     x0, root
        bl      print
        ldr     d0, =0x42a2309ce5400000 // 10^13
        fmul    d1, d1, d0
        fcvtns  x0, d1
        bl      fixed

        // One interrupt in ten milliseconds.
        adr     x0, vectors
        msr     vbar_el1, x0
        mrs     x0, cntfrq_el0
        mov     x1, #100
        udiv    x0, x0, x1
        msr     cntv_tval_el0, x0
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        msr     daifclr, #2
2:      wfi
        cbz     x21, 2b
        adr     x0, tick
        bl      print
        ldr     w0, =SYSTEM_OFF
        hvc     #0
        b       .                       // not reached

// Prints the string at X0.
print:  mov     x1, #UART
1:      ldrb    w2, [x0], #1
        cbz     w2, 3f
2:      ldr     w3, [x1, #0x18]         // wait while the transmit FIFO is full
        tbnz    w3, #5, 2b
        strb    w2, [x1]
        b       1b
3:      ret

// Prints X0 / 10^13 in decimal.
fixed:  mov     x9, x30
        sub     sp, sp, #32
        add     x4, sp, #31
        strb    wzr, [x4]
        mov     w2, #'\n'
        strb    w2, [x4, #-1]!
        mov     x5, #10
        mov     x6, #0
1:      udiv    x7, x0, x5
        msub    x8, x7, x5, x0
        mov     x0, x7
        add     w8, w8, #'0'
        strb    w8, [x4, #-1]!
        add     x6, x6, #1
        cmp     x6, #13
        b.ne    2f
        mov     w8, #'.'
        strb    w8, [x4, #-1]!
2:      cbnz    x0, 1b
        mov     x0, x4
        bl      print
        add     sp, sp, #32
        ret     x9

        // Vectors: only the interrupt at the current level with SP_EL1 is expected.
        .balign 2048
vectors:
        .rept   5
        adr     x0, bad
        b       wrong
        .balign 128
        .endr
        msr     cntv_ctl_el0, xzr       // the one interrupt: the timer's
        mov     x21, #UART
        ldr     w22, [x21, #0x18]       // an exit, after which the VMM looks at the level again: until then it stays
        eret
        .balign 128
        .rept   10
        adr     x0, bad
        b       wrong
        .balign 128
        .endr
wrong:  bl      print
        ldr     w0, =SYSTEM_OFF
        hvc     #0

mmu:    .asciz  "hello from EL1 with the MMU on\n"
root:   .asciz  "the square root of 2 is "
tick:   .asciz  "the timer has ticked\n"
bad:    .asciz  "an exception that should not be\n"
        .balign 8
        .ltorg
