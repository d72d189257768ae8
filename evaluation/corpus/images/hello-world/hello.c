/* Says that images can be built, read and run on this machine. */
#include <stdio.h>

int main(void) {
    puts("\nHello!\nThis message shows that your installation appears to be working correctly.\n");
    return 0;
}
