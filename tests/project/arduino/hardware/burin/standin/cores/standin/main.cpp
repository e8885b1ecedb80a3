/* A sketch for as many turns of its loop as a test wants; then QEMU ends. */
#include "Arduino.h"

extern "C" void standin_start(void);
extern "C" void _exit(int code) __attribute__((noreturn));

/* A fault ends the test instead of hanging it. */
extern "C" void arm_hardfault_isr(void);
extern "C" void arm_hardfault_isr(void) {
  _exit(9);
}

int main() {
  standin_start();
  setup();
  for (int i = 0; i < STANDIN_LOOPS; i++) loop();
  return 0;
}
