// What the Python module hands to the kernels: plain data, the same for every SIMD level.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace zootwins {

enum Kind { WEIGHT, BIAS, LOG_SIGMA2, BIAS_LOG_SIGMA2, LOG_ALPHA, KEPT, THRESHOLD, KINDS };
enum Mode { PLAIN, GAUSSIAN_NOISE, HARD_CONCRETE, MASKED_DENSE, SOFT_THRESHOLD, MODES };  // what the parameters stand for
enum Optimizer { ADAM, SGD, NESTEROV, ADAMW, RMSPROP, OPTIMIZERS };  // as torch.optim's; NESTEROV is SGD with it
enum Activation { TANH, RELU, SIGMOID, GELU, ACTIVATIONS };

// What follows a layer, and the edge of a pool's window, which is its stride too.
enum StepKind { NO_STEP, MAX_POOL, AVG_POOL, GLOBAL_AVG_POOL, ACTIVATION, DROPOUT };
struct Step {
  StepKind kind;
  int window;
};

// What a compiled chain says of one of its layers: zootwins.population.native_engine compares it with a network's.
struct LayerInfo {
  int inputs, outputs;                // outputs 0: as many as there are classes
  int kernel, stride, padding, edge;  // edge: of the square input, in pixels; 0: a linear layer
  const Step* steps;                  // up to the first NO_STEP
};

struct Shape {
  int network;  // its place among the compiled chains
  int mode;
  int classes;
};

// One parameter of the population's models, [models, size] in the natural layout. Null: there is none, which of what a
// mode has is allowed of BIAS_LOG_SIGMA2 alone: biases without noise.
struct Tensor {
  float* value;
  float* exp_avg;
  float* exp_avg_sq;
  const bool* mask;  // true where kept
  bool decays;       // whether weight decay acts on it
  float own_lr;      // of an Adam of its own; 0: the models' factors say how it is trained
};

struct Tensors {  // of one layer, by Kind
  Tensor of[KINDS];
};

struct Factors {
  uint64_t key;
  float lr, weight_decay, l2, momentum, dropout, penalty;  // l2: of a penalty on the squares of weights
  int32_t activation, optimizer;
  int64_t steps;  // taken before
};

// As many of the population's models as a vector has lanes, or fewer. Where [models] is written, a model is found at its
// place in the population; lanes count the block's own.
struct Block {
  Shape shape;
  int lanes;                       // that are in use
  const int64_t* places;           // [lanes], of their models in the population
  const Tensors* tensors;          // [layers]
  const Factors* factors;          // [models]
  const float* images;             // [samples, channels, size, size]
  const int64_t* labels;           // [samples]
  int64_t samples;
  const uint32_t* const* orders;   // [lanes][samples]; training only
  const float* lr_factors;         // [models, batches], of the learning rate; null: 1
  float linear_clamp;              // of log α in linear layers, in either direction; of noisy weights only
  int64_t batch_size;
  int64_t first_batch, stop_batch;  // of the epoch's batches, those that are trained
  uint32_t epoch;
  double *loss, *accuracy;         // [models], results
  // results of evaluation, the latter two null if not asked for
  uint8_t* predictions;            // [models, samples]
  float* probabilities;            // [models, samples, classes]
  float* features;                 // [models, samples, inputs of the last layer]
};

struct Kernels {
  const char* name;
  int lanes;
  int networks;                                        // how many chains are compiled
  int (*depth)(int network);                           // how many layers it has
  const LayerInfo* (*layers)(int network);
  int64_t (*size)(const Shape&, int layer, int kind);  // of one model's parameter, 0 if there is none
  size_t (*workspace)(const Shape&);                   // bytes, to be aligned to 64
  void (*train)(const Block&, void* workspace);
  void (*evaluate)(const Block&, void* workspace);
  // for benchmarks: `rounds` multiply-adds in every register; returns what they sum to, `count` is their number
  double (*multiply_adds)(int64_t rounds, int64_t& count);
  // for tests: y = f(x) and f'(x); the noise of one model at one position of an epoch
  void (*activate)(int kind, const float* x, int64_t count, float* y, float* slope);
  void (*noise)(uint64_t key, uint32_t epoch, uint32_t position, int sites, float* normals, float* uniforms);
};

}  // namespace zootwins
