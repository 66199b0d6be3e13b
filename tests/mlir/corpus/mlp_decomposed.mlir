module {
  func.func @main(%arg0: !torch.vtensor<[2,8],f32>) -> !torch.vtensor<[2,4],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense<0.015625> : tensor<16x8xf32>) : !torch.vtensor<[16,8],f32>
    %int1 = torch.constant.int 1
    %int0 = torch.constant.int 0
    %1 = torch.prim.ListConstruct %int1, %int0 : (!torch.int, !torch.int) -> !torch.list<int>
    %2 = torch.aten.permute %0, %1 : !torch.vtensor<[16,8],f32>, !torch.list<int> -> !torch.vtensor<[8,16],f32>
    %3 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %int1_0 = torch.constant.int 1
    %int1_1 = torch.constant.int 1
    %4 = torch.aten.addmm %3, %arg0, %2, %int1_0, %int1_1 : !torch.vtensor<[16],f32>, !torch.vtensor<[2,8],f32>, !torch.vtensor<[8,16],f32>, !torch.int, !torch.int -> !torch.vtensor<[2,16],f32>
    %str = torch.constant.str "none"
    %5 = torch.aten.gelu %4, %str : !torch.vtensor<[2,16],f32>, !torch.str -> !torch.vtensor<[2,16],f32>
    %int16 = torch.constant.int 16
    %6 = torch.prim.ListConstruct %int16 : (!torch.int) -> !torch.list<int>
    %7 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %8 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %result0, %result1, %result2 = torch.aten.native_layer_norm %5, %6, %7, %8, %float1.000000e-05 : !torch.vtensor<[2,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float -> !torch.vtensor<[2,16],f32>, !torch.vtensor<[2,1],f32>, !torch.vtensor<[2,1],f32>
    %9 = torch.vtensor.literal(dense<0.015625> : tensor<4x16xf32>) : !torch.vtensor<[4,16],f32>
    %int1_2 = torch.constant.int 1
    %int0_3 = torch.constant.int 0
    %10 = torch.prim.ListConstruct %int1_2, %int0_3 : (!torch.int, !torch.int) -> !torch.list<int>
    %11 = torch.aten.permute %9, %10 : !torch.vtensor<[4,16],f32>, !torch.list<int> -> !torch.vtensor<[16,4],f32>
    %12 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %int1_4 = torch.constant.int 1
    %int1_5 = torch.constant.int 1
    %13 = torch.aten.addmm %12, %result0, %11, %int1_4, %int1_5 : !torch.vtensor<[4],f32>, !torch.vtensor<[2,16],f32>, !torch.vtensor<[16,4],f32>, !torch.int, !torch.int -> !torch.vtensor<[2,4],f32>
    %int-1 = torch.constant.int -1
    %false = torch.constant.bool false
    %14 = torch.aten._softmax %13, %int-1, %false : !torch.vtensor<[2,4],f32>, !torch.int, !torch.bool -> !torch.vtensor<[2,4],f32>
    return %14 : !torch.vtensor<[2,4],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_16_torch.float32: "0x04000000B90FF6BD0A85303E9DDF7CBE5789A33DD2F374BE1695B2BE5E5E91BECBE88E3E36E0433ECFD5A93EB804913E93A8A1BE031177BE20FF69BD9E1E6BBEFC657B3E",
      torch_tensor_16_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_4_torch.float32: "0x04000000D89A5F3D462743BEEC5DFE3D246A68BE"
    }
  }
#-}
