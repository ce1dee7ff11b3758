// Entry, vectors, and the way into a case and back, of `system.c`.

        .section .text.entry, "ax"
        .globl  _start
_start: ldr     x0, =stack_top
        mov     sp, x0
        ldr     x0, =__bss_start
        ldr     x1, =__bss_end
1:      cmp     x0, x1
        b.hs    2f
        str     xzr, [x0], #8
        b       1b
2:      adr     x0, vectors
        msr     vbar_el1, x0
        isb
        b       begin
        .ltorg

// void attempt(uint64_t code, uint64_t spsr, uint64_t x0, uint64_t x1): goes to `code` until an exception comes; `seen` has it then.
        .globl  attempt
attempt:
        stp     x29, x30, [sp, #-96]!
        stp     x19, x20, [sp, #16]
        stp     x21, x22, [sp, #32]
        stp     x23, x24, [sp, #48]
        stp     x25, x26, [sp, #64]
        stp     x27, x28, [sp, #80]
        mov     x9, sp
        ldr     x10, =saved
        str     x9, [x10]
        msr     elr_el1, x0
        msr     spsr_el1, x1
        mov     x0, x2
        mov     x1, x3
        isb
        eret

back:   msr     tpidrro_el0, x1
        ldr     x1, =seen
        str     x0, [x1]                // number of the vector
        mrs     x0, tpidr_el1
        str     x0, [x1, #8]            // X0
        mrs     x0, esr_el1
        str     x0, [x1, #16]
        mrs     x0, elr_el1
        str     x0, [x1, #24]
        mrs     x0, far_el1
        str     x0, [x1, #32]
        mrs     x0, spsr_el1
        str     x0, [x1, #40]
        ldr     x0, =saved
        ldr     x0, [x0]
        mov     sp, x0
        msr     pan, #0
        msr     daifset, #15
        ldp     x19, x20, [sp, #16]
        ldp     x21, x22, [sp, #32]
        ldp     x23, x24, [sp, #48]
        ldp     x25, x26, [sp, #64]
        ldp     x27, x28, [sp, #80]
        ldp     x29, x30, [sp], #96
        ret
        .ltorg

        .balign 2048
vectors:
        .set    number, 0
        .rept   16
        msr     tpidr_el1, x0
        mov     x0, #number
        b       back
        .balign 128
        .set    number, number + 1
        .endr
