; Boots a kernel on a PC with a BIOS: loads it behind itself from the first disk, enters long mode with the first 2 MiB mapped to
; themselves, calls it, prints its answer in hexadecimal on port E9h, and switches the machine off (Bochs: port 8900h; QEMU:
; isa-debug-exit at port F4h).
; nasm -f bin -D SECTORS=n -D ROUNDS=n -o boot.bin boot.asm
        org 7c00h
        bits 16
ENTRY   equ 10000h
TABLES  equ 1000h

start:  xor ax, ax
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov sp, 7c00h
        mov [drive], dl
        mov cx, SECTORS
load:   push cx
        mov ah, 42h
        mov dl, [drive]
        mov si, packet
        int 13h
        jc $
        add word [packet.segment], 20h
        inc dword [packet.sector]
        pop cx
        loop load

        in al, 92h
        or al, 2
        out 92h, al
        mov di, TABLES
        mov cx, 1800h
        xor ax, ax
        rep stosw
        mov dword [TABLES], TABLES + 1000h + 3
        mov dword [TABLES + 1000h], TABLES + 2000h + 3
        mov dword [TABLES + 2000h], 83h
        mov eax, TABLES
        mov cr3, eax
        mov eax, 620h           ; PAE, OSFXSR, OSXMMEXCPT
        mov cr4, eax
        mov ecx, 0c0000080h
        rdmsr
        or eax, 100h
        wrmsr
        cli
        lgdt [gdtr]
        mov eax, 80000023h      ; PG, NE, MP, PE
        mov cr0, eax
        jmp 8:long_

        bits 64
long_:  mov ax, 10h
        mov ds, ax
        mov es, ax
        mov ss, ax
        mov rsp, 9f000h
        mov rdi, ROUNDS
        mov eax, ENTRY
        call rax
        mov rbx, rax
        mov ecx, 16
digit:  rol rbx, 4
        mov al, bl
        and al, 15
        add al, '0'
        cmp al, '9'
        jbe put
        add al, 39
put:    out 0e9h, al
        loop digit
        mov al, 10
        out 0e9h, al
        mov rsi, off
        mov dx, 8900h
        mov ecx, 8
        rep outsb
        xor eax, eax
        out 0f4h, al
        hlt

off:    db 'Shutdown'
        align 8
gdt:    dq 0, 00af9b000000ffffh, 00cf93000000ffffh
gdtr:   dw 23
        dd gdt
packet: db 16, 0
        dw 1, 0
.segment: dw ENTRY >> 4
.sector: dq 1
drive:  db 0
        times 510 - ($ - $$) db 0
        dw 0aa55h
