; Prints the numbers 1 to 10 and their squares, one pair a line, with DOS functions 02h and 09h.
; nasm -f bin -o hello.com hello.asm
        bits 16
        org 100h

start:  mov cx, 1
line:   mov ax, cx
        call number
        mov dx, is
        mov ah, 9
        int 21h
        mov ax, cx
        mul cx
        call number
        mov dx, newline
        mov ah, 9
        int 21h
        inc cx
        cmp cx, 10
        jbe line
        mov ax, 4c00h
        int 21h

; Prints AX in decimal. Keeps CX.
number: push cx
        xor cx, cx
        mov bx, 10
digit:  xor dx, dx
        div bx
        push dx
        inc cx
        test ax, ax
        jnz digit
print:  pop dx
        add dl, '0'
        mov ah, 2
        int 21h
        loop print
        pop cx
        ret

is:     db ' squared is $'
newline: db 13, 10, '$'
