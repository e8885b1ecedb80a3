/* A stand-in for Arduino's IMU library: it plays recording.h, which the test writes. */
#ifndef ARDUINO_LSM9DS1_H
#define ARDUINO_LSM9DS1_H

class RecordedImu {
public:
  int begin();
  int accelerationAvailable();
  int gyroscopeAvailable() { return 1; }
  int readAcceleration(float &x, float &y, float &z); /* in g */
  int readGyroscope(float &x, float &y, float &z);    /* in degrees a second */
};

extern RecordedImu IMU;

#endif
