/*
 * Tells once a second what the wearer of the board has been doing for the last ten: standing,
 * running, walking or playing badminton. Open the Serial Monitor at 115200 baud.
 *
 * Make the library for your board, with this sketch as one of its examples:
 *
 *   deno task compile examples/motion/motion_int8.onnx --board arduino_nano_33_ble \
 *     --project arduino --sketch examples/motion/arduino/Motion
 *
 * The model wants what the watch of its training data measured, ten times a second: acceleration
 * without gravity and rotation. The data set names no units; its values are those of Android, m/s2
 * and rad/s (its gyroscope moves in steps of 0.0026632, which are 5000/32768 degrees). The watch was
 * worn on a wrist; wear the board like one. How its axes lay nobody wrote down: if motions are taken
 * for each other, turn the board.
 */
// Nano 33 BLE Sense Rev2: Arduino_BMI270_BMM150.h; Nano RP2040 Connect: Arduino_LSM6DSOX.h
#include <Arduino_LSM9DS1.h>
#include <Burin_motion_int8.h>

const char *const MOTIONS[MOTION_INT8_LOGITS_ELEMENTS] = { "standing", "running", "walking",
                                                           "badminton" };

const uint32_t AXES = 6;     // acceleration x, y, z, rotation x, y, z
const uint32_t STEPS = 100;  // values of each axis
static_assert(AXES * STEPS == MOTION_INT8_IMU_ELEMENTS, "the model has another window");

const uint32_t STEP_MS = 100;     // time between values
const uint32_t STEPS_A_RUN = 10;  // how often the model runs

const float STANDARD_GRAVITY = 9.80665f;  // m/s2
const float RADIANS = 0.01745329252f;     // of a degree
const float SETTLE_S = 20;                // how slowly gravity follows what is measured

static int8_t window[AXES][STEPS];  // oldest value first
static uint32_t filled;             // values of each axis that are in it, from its end
static uint32_t steps;              // since the start

static float gravity[3];  // m/s2, in the axes of the board
static bool tracking;
static uint32_t lastMicros;
static uint32_t lastStep;

/*
 * Gravity turns against the board's rotation and settles on the direction of what is measured; its
 * size is known.
 */
static void trackGravity(const float *acceleration, const float *rotation, float seconds) {
  const float *g = gravity, *w = rotation;
  const float part = seconds < SETTLE_S ? seconds / SETTLE_S : 1;
  float next[3] = {
    g[0] + (g[1] * w[2] - g[2] * w[1]) * seconds,
    g[1] + (g[2] * w[0] - g[0] * w[2]) * seconds,
    g[2] + (g[0] * w[1] - g[1] * w[0]) * seconds,
  };
  for (int i = 0; i < 3; i++) next[i] += (acceleration[i] - next[i]) * part;
  const float length = sqrtf(next[0] * next[0] + next[1] * next[1] + next[2] * next[2]);
  if (length == 0) return;
  for (int i = 0; i < 3; i++) gravity[i] = next[i] * (STANDARD_GRAVITY / length);
}

/* A value as the model's integer. */
static int8_t quantise(float value) {
  const long q = lroundf(value / MOTION_INT8_IMU_SCALE) + MOTION_INT8_IMU_ZERO_POINT;
  return constrain(q, -128, 127);
}

static void push(const float *acceleration, const float *rotation) {
  for (uint32_t axis = 0; axis < AXES; axis++) {
    memmove(window[axis], window[axis] + 1, STEPS - 1);
    window[axis][STEPS - 1] =
      quantise(axis < 3 ? acceleration[axis] - gravity[axis] : rotation[axis - 3]);
  }
  if (filled < STEPS) filled++;
  steps++;
}

static void classify() {
  int8_t logits[MOTION_INT8_LOGITS_ELEMENTS];
  const motion_int8_inputs inputs = { &window[0][0] };
  const motion_int8_outputs outputs = { logits };
  const uint32_t before = micros();
  if (motion_int8_run(&inputs, &outputs) != MOTION_INT8_OK) {
    Serial.println("the model did not run");
    return;
  }
  const uint32_t took = micros() - before;
  uint32_t best = 0;
  for (uint32_t i = 1; i < MOTION_INT8_LOGITS_ELEMENTS; i++) {
    if (logits[i] > logits[best]) best = i;
  }
  Serial.print(MOTIONS[best]);
  Serial.print(" (");
  Serial.print((unsigned long)took);
  Serial.println(" us)");
}

void setup() {
  Serial.begin(115200);
  while (!IMU.begin()) {
    Serial.println("no IMU is found");
    delay(1000);
  }
}

void loop() {
  if (!IMU.accelerationAvailable() || !IMU.gyroscopeAvailable()) return;
  float acceleration[3], rotation[3];
  IMU.readAcceleration(acceleration[0], acceleration[1], acceleration[2]);  // in g
  IMU.readGyroscope(rotation[0], rotation[1], rotation[2]);                 // in degrees a second
  for (int i = 0; i < 3; i++) {
    acceleration[i] *= STANDARD_GRAVITY;
    rotation[i] *= RADIANS;
  }

  const uint32_t now = micros();
  if (!tracking) {
    tracking = true;
    lastStep = millis();
    memcpy(gravity, acceleration, sizeof gravity);
  } else {
    trackGravity(acceleration, rotation, (now - lastMicros) * 1e-6f);
  }
  lastMicros = now;

  if (millis() - lastStep < STEP_MS) return;
  lastStep += STEP_MS;
  push(acceleration, rotation);
  if (filled == STEPS && steps % STEPS_A_RUN == 0) classify();
}
