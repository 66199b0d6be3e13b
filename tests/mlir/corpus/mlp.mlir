module @module {
  func.func @main(%arg0: !torch.vtensor<[2,8],f32>) -> !torch.vtensor<[2,4],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense<0.015625> : tensor<16x8xf32>) : !torch.vtensor<[16,8],f32>
    %1 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %2 = torch.aten.linear %arg0, %0, %1 : !torch.vtensor<[2,8],f32>, !torch.vtensor<[16,8],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[2,16],f32>
    %str = torch.constant.str "none"
    %3 = torch.aten.gelu %2, %str : !torch.vtensor<[2,16],f32>, !torch.str -> !torch.vtensor<[2,16],f32>
    %int16 = torch.constant.int 16
    %4 = torch.prim.ListConstruct %int16 : (!torch.int) -> !torch.list<int>
    %5 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %false = torch.constant.bool false
    %7 = torch.aten.layer_norm %3, %4, %5, %6, %float1.000000e-05, %false : !torch.vtensor<[2,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[2,16],f32>
    %8 = torch.vtensor.literal(dense<0.015625> : tensor<4x16xf32>) : !torch.vtensor<[4,16],f32>
    %9 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %10 = torch.aten.linear %7, %8, %9 : !torch.vtensor<[2,16],f32>, !torch.vtensor<[4,16],f32>, !torch.vtensor<[4],f32> -> !torch.vtensor<[2,4],f32>
    %int-1 = torch.constant.int -1
    %none = torch.constant.none
    %11 = torch.aten.softmax.int %10, %int-1, %none : !torch.vtensor<[2,4],f32>, !torch.int, !torch.none -> !torch.vtensor<[2,4],f32>
    return %11 : !torch.vtensor<[2,4],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_16_torch.float32: "0x04000000714EFDBD0C5E94BEB0059ABDB5C69A3D16DB6BBE02A394BC3595813EE4DE14BD5DFD203C86DCF9BC2E8A923DCF32663E4A78AB3E30EA653EB9DCAB3E4477D1BC",
      torch_tensor_16_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_4_torch.float32: "0x04000000A024B93D40AA013D00EDF3BA086D4ABD"
    }
  }
#-}
