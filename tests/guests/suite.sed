# Run by `sed -E -f` over what a program of .ci/suite prints, on the host and in the guest: takes out what the manual leaves undefined and
# processors differ in.

# SHLD and SHRD of a word by more than 16 (SDM vol. 2): as QEMU's test-i386 prints them, and as Valgrind's shrld does.
/^sh[lr]dw .* C=000000(1[1-9a-f])/d
/^(left|right) 16/,/^(left|right) (32|64)|^status/{
  # Counts of 17 to 31 modulo 32.
  /^ *(1[7-9]|2[0-9]|3[01]|49|5[0-9]|6[0-3]|8[1-9]|9[0-5]|11[3-9]|12[0-7]|14[5-9]|15[0-9]|17[7-9]|18[0-9]|19[01]|209|21[0-9]|22[0-3]|24[1-9]|25[0-5]) 0x/d
}

# FCS in the first row of an FXSAVE image, as Valgrind's fxsave prints it: newer processors store 0 (CPUID.7.0:EBX[13]).
s/^(  0  ( [0-9a-f][0-9a-f]){12}) [0-9a-f][0-9a-f] [0-9a-f][0-9a-f] /\1 -- -- /
