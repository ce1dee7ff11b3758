/* What gdb debugs in `gdb.rs`: without a C library, for both architectures. The first CPU computes and ends the program, others count. */

volatile int counter;
volatile long turns;
long table[4] = {1, 2, 3, 4};
double scale = 1.5;

int add(int a, int b)
{
    int sum = a + b;
    return sum;
}

double half(double x)
{
    double y = x / 2;
    return y;
}

void step_turn(long cpu)
{
    turns += cpu;
}

static void count(int value)
{
    counter = value;
}

/* Atomically, in the way that compilers do it without special instructions: load-exclusive and store-exclusive on AArch64. */
static long tickets;

long ticket(void)
{
    return __atomic_add_fetch(&tickets, 1, __ATOMIC_SEQ_CST);
}

int main(long cpu)
{
    while (cpu != 0)
        step_turn(cpu);
    int sum = add(2, 3);
    count(sum);
    scale = half(scale);
    table[1] += ticket();
    count((int)table[1]);
    return counter;
}
