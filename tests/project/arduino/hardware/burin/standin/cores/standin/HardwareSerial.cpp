#include "Arduino.h"

HardwareSerial Serial;

void HardwareSerial::print(const char *text) {
  register uint32_t operation __asm__("r0") = 4;  // SYS_WRITE0
  register const char *argument __asm__("r1") = text;
  __asm__ volatile("bkpt 0xAB" : "+r"(operation) : "r"(argument) : "memory");
}

void HardwareSerial::print(char letter) {
  const char text[2] = { letter, 0 };
  print(text);
}

void HardwareSerial::print(unsigned long value) {
  char digits[11];
  char *at = digits + sizeof digits - 1;
  *at = 0;
  do {
    *--at = (char)('0' + value % 10);
    value /= 10;
  } while (value);
  print(at);
}

void HardwareSerial::print(long value) {
  if (value < 0) print('-');
  print(value < 0 ? 0ul - (unsigned long)value : (unsigned long)value);
}

/* As Arduino prints: rounded half up, a fixed number of digits. */
void HardwareSerial::print(double value, int digits) {
  if (value != value) return print("nan");
  if (value < 0) {
    print('-');
    value = -value;
  }
  double half = 0.5;
  for (int i = 0; i < digits; i++) half /= 10;
  value += half;
  if (value > 4294967040.0) return print("ovf");
  const unsigned long whole = (unsigned long)value;
  print(whole);
  if (digits > 0) print('.');
  for (value -= whole; digits > 0; digits--) {
    value *= 10;
    const unsigned long digit = (unsigned long)value;
    print(digit);
    value -= digit;
  }
}
