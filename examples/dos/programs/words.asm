; Counts the words of the file that the command line names and prints their number.
; A word is a run of bytes above the blank. Exit code 1 if the file cannot be read.
; nasm -f bin -o words.com words.asm
        bits 16
        org 100h

start:  mov si, 81h             ; the command tail, ended by a carriage return
skip:   lodsb
        cmp al, ' '
        je skip
        dec si
        mov dx, si
name:   lodsb
        cmp al, ' '
        ja name
        mov byte [si - 1], 0
        mov ax, 3d00h           ; open for reading
        int 21h
        jc fail
        mov [handle], ax
        xor di, di              ; DI: inside a word; BP: how many
        xor bp, bp

more:   mov bx, [handle]
        mov cx, 512
        mov dx, buffer
        mov ah, 3fh
        int 21h
        jc fail
        test ax, ax
        jz done
        mov cx, ax
        mov si, buffer
byte_:  lodsb
        cmp al, ' '
        ja inside
        xor di, di
        jmp next
inside: test di, di
        jnz next
        inc di
        inc bp
next:   loop byte_
        jmp more

done:   mov ah, 3eh
        mov bx, [handle]
        int 21h
        mov ax, bp
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
        mov dx, words
        mov ah, 9
        int 21h
        mov ax, 4c00h
        int 21h

fail:   mov dx, broken
        mov ah, 9
        int 21h
        mov ax, 4c01h
        int 21h

words:  db ' words', 13, 10, '$'
broken: db 'cannot read that file', 13, 10, '$'
handle: dw 0
buffer: equ $
