module @module {
  func.func @main(%arg0: !torch.vtensor<[?,8],f32>) -> !torch.vtensor<[?,4],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense<0.015625> : tensor<16x8xf32>) : !torch.vtensor<[16,8],f32>
    %1 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %2 = torch.aten.linear %arg0, %0, %1 : !torch.vtensor<[?,8],f32>, !torch.vtensor<[16,8],f32>, !torch.vtensor<[16],f32> -> !torch.vtensor<[?,16],f32>
    %str = torch.constant.str "none"
    %3 = torch.aten.gelu %2, %str : !torch.vtensor<[?,16],f32>, !torch.str -> !torch.vtensor<[?,16],f32>
    %int16 = torch.constant.int 16
    %4 = torch.prim.ListConstruct %int16 : (!torch.int) -> !torch.list<int>
    %5 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %false = torch.constant.bool false
    %7 = torch.aten.layer_norm %3, %4, %5, %6, %float1.000000e-05, %false : !torch.vtensor<[?,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.bool -> !torch.vtensor<[?,16],f32>
    %8 = torch.vtensor.literal(dense<0.015625> : tensor<4x16xf32>) : !torch.vtensor<[4,16],f32>
    %9 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %10 = torch.aten.linear %7, %8, %9 : !torch.vtensor<[?,16],f32>, !torch.vtensor<[4,16],f32>, !torch.vtensor<[4],f32> -> !torch.vtensor<[?,4],f32>
    %int-1 = torch.constant.int -1
    %none = torch.constant.none
    %11 = torch.aten.softmax.int %10, %int-1, %none : !torch.vtensor<[?,4],f32>, !torch.int, !torch.none -> !torch.vtensor<[?,4],f32>
    return %11 : !torch.vtensor<[?,4],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_16_torch.float32: "0x04000000C64EDBBC2DD336BEEE5B923DC57C093ED6F78F3E4A8A8C3EE2C358BDED9D9FBEC192A3BE1004A93E840A203EB9D01D3E2A9F9CBE73A0A73EC77CAB3E676FA33E",
      torch_tensor_16_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_4_torch.float32: "0x040000006086D93CA8BE703EC8B50CBDA6C4463E"
    }
  }
#-}
