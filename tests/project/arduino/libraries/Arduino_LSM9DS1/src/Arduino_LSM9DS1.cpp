#include "Arduino_LSM9DS1.h"

#include <Arduino.h>

#include "recording.h" /* float recording[RECORDED][6]: m/s2 without gravity, rad/s; ten a second */

/* Of the sensor, which holds each recorded value for ten of its own. */
#define RATE 100

RecordedImu IMU;

static uint32_t reads;
static float gravity[3] = { 0, 0, 9.80665f };

static const float *now() {
  const uint32_t row = reads / (RATE / 10);
  return recording[row < RECORDED ? row : RECORDED - 1];
}

int RecordedImu::begin() {
  return 1;
}

/* The next value is there when the time of one has passed; the wearer's rotation turns gravity. */
int RecordedImu::accelerationAvailable() {
  delay(1000 / RATE);
  const float *w = now() + 3;
  const float dt = 1.0f / RATE;
  const float g[3] = { gravity[0], gravity[1], gravity[2] };
  gravity[0] += (g[1] * w[2] - g[2] * w[1]) * dt;
  gravity[1] += (g[2] * w[0] - g[0] * w[2]) * dt;
  gravity[2] += (g[0] * w[1] - g[1] * w[0]) * dt;
  const float length =
    sqrtf(gravity[0] * gravity[0] + gravity[1] * gravity[1] + gravity[2] * gravity[2]);
  for (int i = 0; i < 3; i++) gravity[i] *= 9.80665f / length;
  return 1;
}

int RecordedImu::readAcceleration(float &x, float &y, float &z) {
  const float *a = now();
  x = (a[0] + gravity[0]) / 9.80665f;
  y = (a[1] + gravity[1]) / 9.80665f;
  z = (a[2] + gravity[2]) / 9.80665f;
  return 1;
}

int RecordedImu::readGyroscope(float &x, float &y, float &z) {
  const float *w = now() + 3;
  x = w[0] * 57.2957795f;
  y = w[1] * 57.2957795f;
  z = w[2] * 57.2957795f;
  reads++;
  return 1;
}
