module @module {
  util.global private mutable @__auto.constant_2_3_torch.float32 = dense_resource<__auto.constant_2_3_torch.float32> : tensor<2x3xf32>
  util.global private mutable @__auto.constant__torch.int64 = dense_resource<__auto.constant__torch.int64> : tensor<i64>
  func.func @step(%arg0: !torch.vtensor<[2,3],f32>) -> !torch.vtensor<[2,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %__auto.constant_2_3_torch.float32 = util.global.load @__auto.constant_2_3_torch.float32 : tensor<2x3xf32>
    %0 = torch_c.from_builtin_tensor %__auto.constant_2_3_torch.float32 : tensor<2x3xf32> -> !torch.vtensor<[2,3],f32>
    %int1 = torch.constant.int 1
    %1 = torch.aten.add.Tensor %0, %arg0, %int1 : !torch.vtensor<[2,3],f32>, !torch.vtensor<[2,3],f32>, !torch.int -> !torch.vtensor<[2,3],f32>
    %2 = torch_c.to_builtin_tensor %1 : !torch.vtensor<[2,3],f32> -> tensor<2x3xf32>
    util.global.store %2, @__auto.constant_2_3_torch.float32 : tensor<2x3xf32>
    %__auto.constant__torch.int64 = util.global.load @__auto.constant__torch.int64 : tensor<i64>
    %3 = torch_c.from_builtin_tensor %__auto.constant__torch.int64 : tensor<i64> -> !torch.vtensor<[],si64>
    %int1_0 = torch.constant.int 1
    %int1_1 = torch.constant.int 1
    %4 = torch.aten.add.Scalar %3, %int1_0, %int1_1 : !torch.vtensor<[],si64>, !torch.int, !torch.int -> !torch.vtensor<[],si64>
    %5 = torch_c.to_builtin_tensor %4 : !torch.vtensor<[],si64> -> tensor<i64>
    util.global.store %5, @__auto.constant__torch.int64 : tensor<i64>
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_2_3_torch.float32> : tensor<2x3xf32>) : !torch.vtensor<[2,3],f32>
    %7 = torch.aten.mul.Tensor %1, %6 : !torch.vtensor<[2,3],f32>, !torch.vtensor<[2,3],f32> -> !torch.vtensor<[2,3],f32>
    return %7 : !torch.vtensor<[2,3],f32>
  }
  func.func @get() -> !torch.vtensor<[2,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %__auto.constant_2_3_torch.float32 = util.global.load @__auto.constant_2_3_torch.float32 : tensor<2x3xf32>
    %0 = torch_c.from_builtin_tensor %__auto.constant_2_3_torch.float32 : tensor<2x3xf32> -> !torch.vtensor<[2,3],f32>
    %int1 = torch.constant.int 1
    %1 = torch.aten.mul.Scalar %0, %int1 : !torch.vtensor<[2,3],f32>, !torch.int -> !torch.vtensor<[2,3],f32>
    return %1 : !torch.vtensor<[2,3],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      __auto.constant_2_3_torch.float32: "0x04000000000000000000000000000000000000000000000000000000",
      __auto.constant__torch.int64: "0x080000000000000000000000",
      torch_tensor_2_3_torch.float32: "0x04000000000000000000803F0000004000004040000080400000A040"
    }
  }
#-}
