module @module {
  util.global private @__auto.weight = #flow.parameter.named<"model"::"weight"> : tensor<3x4xf32>
  util.global private @__auto.bias = #flow.parameter.named<"model"::"bias"> : tensor<3xf32>
  func.func @main(%arg0: !torch.vtensor<[2,4],f32>) -> !torch.vtensor<[2,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %__auto.weight = util.global.load @__auto.weight : tensor<3x4xf32>
    %0 = torch_c.from_builtin_tensor %__auto.weight : tensor<3x4xf32> -> !torch.vtensor<[3,4],f32>
    %__auto.bias = util.global.load @__auto.bias : tensor<3xf32>
    %1 = torch_c.from_builtin_tensor %__auto.bias : tensor<3xf32> -> !torch.vtensor<[3],f32>
    %2 = torch.aten.linear %arg0, %0, %1 : !torch.vtensor<[2,4],f32>, !torch.vtensor<[3,4],f32>, !torch.vtensor<[3],f32> -> !torch.vtensor<[2,3],f32>
    return %2 : !torch.vtensor<[2,3],f32>
  }
}
