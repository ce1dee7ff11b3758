// The entry with the MMU off, and the exception vectors of `bare.c`.

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
2:      mov     x0, #3 << 20            // CPACR_EL1.FPEN
        msr     cpacr_el1, x0
        adr     x0, vectors
        msr     vbar_el1, x0
        isb
        b       begin
        .ltorg

        // Saves what the C code of a handler may change, FP and SIMD included.
        .macro  enter
        sub     sp, sp, #832
        stp     x0, x1, [sp]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x29, [sp, #144]
        mrs     x0, elr_el1
        mrs     x1, spsr_el1
        stp     x30, x0, [sp, #160]
        mrs     x2, fpsr
        stp     x1, x2, [sp, #176]
        add     x3, sp, #192
        st1     {v0.2d-v3.2d}, [x3], #64
        st1     {v4.2d-v7.2d}, [x3], #64
        st1     {v8.2d-v11.2d}, [x3], #64
        st1     {v12.2d-v15.2d}, [x3], #64
        st1     {v16.2d-v19.2d}, [x3], #64
        st1     {v20.2d-v23.2d}, [x3], #64
        st1     {v24.2d-v27.2d}, [x3], #64
        st1     {v28.2d-v31.2d}, [x3], #64
        .endm

leave:  add     x3, sp, #192
        ld1     {v0.2d-v3.2d}, [x3], #64
        ld1     {v4.2d-v7.2d}, [x3], #64
        ld1     {v8.2d-v11.2d}, [x3], #64
        ld1     {v12.2d-v15.2d}, [x3], #64
        ld1     {v16.2d-v19.2d}, [x3], #64
        ld1     {v20.2d-v23.2d}, [x3], #64
        ld1     {v24.2d-v27.2d}, [x3], #64
        ld1     {v28.2d-v31.2d}, [x3], #64
        ldp     x1, x2, [sp, #176]
        msr     spsr_el1, x1
        msr     fpsr, x2
        ldp     x30, x0, [sp, #160]
        msr     elr_el1, x0
        ldp     x18, x29, [sp, #144]
        ldp     x16, x17, [sp, #128]
        ldp     x14, x15, [sp, #112]
        ldp     x12, x13, [sp, #96]
        ldp     x10, x11, [sp, #80]
        ldp     x8, x9, [sp, #64]
        ldp     x6, x7, [sp, #48]
        ldp     x4, x5, [sp, #32]
        ldp     x2, x3, [sp, #16]
        ldp     x0, x1, [sp]
        add     sp, sp, #832
        eret

on_synchronous:
        enter
        bl      synchronous
        str     x0, [sp, #168]          // where to go on
        b       leave
on_interrupt:
        enter
        bl      interrupt
        b       leave

        .balign 2048
vectors:
        .rept   4
        b       .
        .balign 128
        .endr
        b       on_synchronous
        .balign 128
        b       on_interrupt
        .balign 128
        .rept   10
        b       .
        .balign 128
        .endr
