/* Serial prints through semihosting, to the standard output of QEMU. */
#ifndef HARDWARE_SERIAL_H
#define HARDWARE_SERIAL_H

class HardwareSerial {
public:
  void begin(unsigned long) {}
  explicit operator bool() const { return true; }

  void print(const char *text);
  void print(char letter);
  void print(long value);
  void print(unsigned long value);
  void print(int value) { print((long)value); }
  void print(unsigned int value) { print((unsigned long)value); }
  void print(double value, int digits = 2);

  void println() { print("\n"); }
  template <typename T> void println(T value) { print(value); println(); }
  void println(double value, int digits) { print(value, digits); println(); }
};

extern HardwareSerial Serial;

#endif
