// A program for EL1 without an operating system: turns on the MMU, prints through a PL011, computes with the FPU, takes two
// interrupts of the virtual timer (by a GIC, if the ID register says that there is one), and switches itself off by PSCI.
// X19: not 0 if there is a GIC; X20: start of the memory; X21: ticks so far.
//
// aarch64-linux-gnu-gcc -c -o hello.o hello.S && aarch64-linux-gnu-objcopy -O binary -j .text hello.o hello.bin
// Loaded at 40000000h and entered there with the MMU off.

        .equ    UART, 0x09000000        // PL011: data register at 0, flag register at 18h
        .equ    RAM, 0x40000000
        .equ    TABLES, 0x10000         // offsets into RAM
        .equ    STACK, 0x20000
        .equ    SYSTEM_OFF, 0x84000008
        .equ    GICD, 0x08000000        // GICv3: distributor
        .equ    GICR, 0x10000000        // and this CPU's redistributor
        .equ    TIMER, 27               // interrupt of the virtual timer

        .text
start:  adr     x20, start
        add     x0, x20, #STACK
        mov     sp, x0
        mov     x21, #0
        mrs     x19, id_aa64pfr0_el1
        ubfx    x19, x19, #24, #4       // GIC: system registers of a GIC CPU interface

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

        adr     x0, vectors
        msr     vbar_el1, x0
        cbz     x19, 1f
        bl      start_gic

        // The timer's condition is met at once: its interrupt waits, masked, until the computation below is printed.
1:      msr     cntv_tval_el0, xzr
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        isb

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
        mov     x0, #1
        bl      wait
        adr     x0, tick
        bl      print

        // Another tick in twenty milliseconds.
        mrs     x0, cntfrq_el0
        mov     x1, #50
        udiv    x0, x0, x1
        msr     cntv_tval_el0, x0
        mov     x0, #1
        msr     cntv_ctl_el0, x0
        adr     x0, another
        bl      print
        mov     x0, #2
        bl      wait
        adr     x0, here
        bl      print
        ldr     w0, =SYSTEM_OFF
        hvc     #0
        b       .                       // not reached

// Makes the timer's interrupt known to the GIC, and takes all priorities.
start_gic:
        mov     x0, #GICD
        mov     w1, #0x12               // GICD_CTLR: ARE, EnableGrp1
        str     w1, [x0]
        mov     x0, #GICR
1:      ldr     w1, [x0, #0x14]         // GICR_WAKER
        and     w1, w1, #~2             // not ProcessorSleep
        str     w1, [x0, #0x14]
        tbnz    w1, #2, 1b              // ChildrenAsleep
        add     x0, x0, #0x10000        // SGIs and PPIs
        mov     w1, #1 << TIMER
        str     w1, [x0, #0x80]         // GICR_IGROUPR0
        str     w1, [x0, #0x100]        // GICR_ISENABLER0
        mov     x1, #0xff
        msr     s3_0_c4_c6_0, x1        // ICC_PMR_EL1
        mov     x1, #1
        msr     s3_0_c12_c12_7, x1      // ICC_IGRPEN1_EL1
        isb
        ret

// Waits until there were X0 ticks. The interrupt is masked between the look and WFI, which it ends all the same.
wait:   msr     daifset, #2
        cmp     x21, x0
        b.hs    1f
        wfi
        msr     daifclr, #2
        isb
        b       wait
1:      msr     daifclr, #2
        ret

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
        cbz     x19, 1f
        mrs     x22, s3_0_c12_c12_0     // ICC_IAR1_EL1
1:      msr     cntv_ctl_el0, xzr       // the one interrupt: the timer's
        add     x21, x21, #1
        cbz     x19, 2f
        msr     s3_0_c12_c12_1, x22     // ICC_EOIR1_EL1
        eret
2:      mov     x22, #UART
        ldr     w22, [x22, #0x18]       // an exit, after which the VMM looks at the level again: until then it stays
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
another:.asciz  "waiting for another tick ... "
here:   .asciz  "here it is\n"
bad:    .asciz  "an exception that should not be\n"
        .balign 8
        .ltorg
