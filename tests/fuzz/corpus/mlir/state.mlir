#loc1 = loc("model.py":158:0)
module @module {
  util.global private mutable @__auto.constant_2_3_torch.float32 = dense_resource<__auto.constant_2_3_torch.float32> : tensor<2x3xf32> loc(#loc)
  util.global private mutable @__auto.constant__torch.int64 = dense_resource<__auto.constant__torch.int64> : tensor<i64> loc(#loc)
  func.func @main(%arg0: !torch.vtensor<[2,3],f32> loc("model.py":158:0)) -> !torch.vtensor<[2,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %__auto.constant_2_3_torch.float32 = util.global.load @__auto.constant_2_3_torch.float32 : tensor<2x3xf32> loc(#loc1)
    %0 = torch_c.from_builtin_tensor %__auto.constant_2_3_torch.float32 : tensor<2x3xf32> -> !torch.vtensor<[2,3],f32> loc(#loc1)
    %int1 = torch.constant.int 1 loc(#loc1)
    %1 = torch.aten.add.Tensor %0, %arg0, %int1 : !torch.vtensor<[2,3],f32>, !torch.vtensor<[2,3],f32>, !torch.int -> !torch.vtensor<[2,3],f32> loc(#loc1)
    %2 = torch_c.to_builtin_tensor %1 : !torch.vtensor<[2,3],f32> -> tensor<2x3xf32> loc(#loc1)
    util.global.store %2, @__auto.constant_2_3_torch.float32 : tensor<2x3xf32> loc(#loc1)
    %__auto.constant__torch.int64 = util.global.load @__auto.constant__torch.int64 : tensor<i64> loc(#loc1)
    %3 = torch_c.from_builtin_tensor %__auto.constant__torch.int64 : tensor<i64> -> !torch.vtensor<[],si64> loc(#loc1)
    %int1_0 = torch.constant.int 1 loc(#loc2)
    %int1_1 = torch.constant.int 1 loc(#loc2)
    %4 = torch.aten.add.Scalar %3, %int1_0, %int1_1 : !torch.vtensor<[],si64>, !torch.int, !torch.int -> !torch.vtensor<[],si64> loc(#loc2)
    %5 = torch_c.to_builtin_tensor %4 : !torch.vtensor<[],si64> -> tensor<i64> loc(#loc1)
    util.global.store %5, @__auto.constant__torch.int64 : tensor<i64> loc(#loc1)
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_2_3_torch.float32> : tensor<2x3xf32>) : !torch.vtensor<[2,3],f32> loc(#loc1)
    %7 = torch.aten.mul.Tensor %1, %6 : !torch.vtensor<[2,3],f32>, !torch.vtensor<[2,3],f32> -> !torch.vtensor<[2,3],f32> loc(#loc3)
    return %7 : !torch.vtensor<[2,3],f32> loc(#loc1)
  } loc(#loc1)
} loc(#loc)
#loc = loc(unknown)
#loc2 = loc("model.py":159:0)
#loc3 = loc("model.py":160:0)

{-#
  dialect_resources: {
    builtin: {
      __auto.constant_2_3_torch.float32: "0x04000000000000000000000000000000000000000000000000000000",
      __auto.constant__torch.int64: "0x080000000000000000000000",
      torch_tensor_2_3_torch.float32: "0x04000000000000000000803F0000004000004040000080400000A040"
    }
  }
#-}
