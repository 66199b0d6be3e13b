#loc1 = loc("torch/nn/modules/linear.py":134:0)
#loc2 = loc("torch/nn/modules/container.py":253:0)
#loc3 = loc("model.py":106:0)
#loc7 = loc(callsite(#loc2 at #loc3))
#loc8 = loc(callsite(#loc1 at #loc7))
module {
  func.func @main(%arg0: !torch.vtensor<[?,8],f32> loc(callsite(#loc1 at #loc7))) -> !torch.vtensor<[?,4],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.symbolic_int "s77" {min_val = 2, max_val = 64} : !torch.int loc(#loc)
    torch.bind_symbolic_shape %arg0, [%0], affine_map<()[s0] -> (s0, 8)> : !torch.vtensor<[?,8],f32> loc(#loc)
    %1 = torch.vtensor.literal(dense<0.015625> : tensor<16x8xf32>) : !torch.vtensor<[16,8],f32> loc(#loc8)
    %int1 = torch.constant.int 1 loc(#loc8)
    %int0 = torch.constant.int 0 loc(#loc8)
    %2 = torch.prim.ListConstruct %int1, %int0 : (!torch.int, !torch.int) -> !torch.list<int> loc(#loc8)
    %3 = torch.aten.permute %1, %2 : !torch.vtensor<[16,8],f32>, !torch.list<int> -> !torch.vtensor<[8,16],f32> loc(#loc8)
    %4 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32> loc(#loc8)
    %int1_0 = torch.constant.int 1 loc(#loc8)
    %int1_1 = torch.constant.int 1 loc(#loc8)
    %5 = torch.aten.addmm %4, %arg0, %3, %int1_0, %int1_1 : !torch.vtensor<[16],f32>, !torch.vtensor<[?,8],f32>, !torch.vtensor<[8,16],f32>, !torch.int, !torch.int -> !torch.vtensor<[?,16],f32> loc(#loc8)
    torch.bind_symbolic_shape %5, [%0], affine_map<()[s0] -> (s0, 16)> : !torch.vtensor<[?,16],f32> loc(#loc8)
    %str = torch.constant.str "none" loc(#loc9)
    %6 = torch.aten.gelu %5, %str : !torch.vtensor<[?,16],f32>, !torch.str -> !torch.vtensor<[?,16],f32> loc(#loc9)
    torch.bind_symbolic_shape %6, [%0], affine_map<()[s0] -> (s0, 16)> : !torch.vtensor<[?,16],f32> loc(#loc9)
    %int16 = torch.constant.int 16 loc(#loc10)
    %7 = torch.prim.ListConstruct %int16 : (!torch.int) -> !torch.list<int> loc(#loc10)
    %8 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32> loc(#loc8)
    %9 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32> loc(#loc8)
    %float1.000000e-05 = torch.constant.float 1.000000e-05 loc(#loc10)
    %result0, %result1, %result2 = torch.aten.native_layer_norm %6, %7, %8, %9, %float1.000000e-05 : !torch.vtensor<[?,16],f32>, !torch.list<int>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float -> !torch.vtensor<[?,16],f32>, !torch.vtensor<[?,1],f32>, !torch.vtensor<[?,1],f32> loc(#loc10)
    torch.bind_symbolic_shape %result0, [%0], affine_map<()[s0] -> (s0, 16)> : !torch.vtensor<[?,16],f32> loc(#loc10)
    %10 = torch.vtensor.literal(dense<0.015625> : tensor<4x16xf32>) : !torch.vtensor<[4,16],f32> loc(#loc8)
    %int1_2 = torch.constant.int 1 loc(#loc8)
    %int0_3 = torch.constant.int 0 loc(#loc8)
    %11 = torch.prim.ListConstruct %int1_2, %int0_3 : (!torch.int, !torch.int) -> !torch.list<int> loc(#loc8)
    %12 = torch.aten.permute %10, %11 : !torch.vtensor<[4,16],f32>, !torch.list<int> -> !torch.vtensor<[16,4],f32> loc(#loc8)
    %13 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32> loc(#loc8)
    %int1_4 = torch.constant.int 1 loc(#loc8)
    %int1_5 = torch.constant.int 1 loc(#loc8)
    %14 = torch.aten.addmm %13, %result0, %12, %int1_4, %int1_5 : !torch.vtensor<[4],f32>, !torch.vtensor<[?,16],f32>, !torch.vtensor<[16,4],f32>, !torch.int, !torch.int -> !torch.vtensor<[?,4],f32> loc(#loc8)
    torch.bind_symbolic_shape %14, [%0], affine_map<()[s0] -> (s0, 4)> : !torch.vtensor<[?,4],f32> loc(#loc8)
    %int-1 = torch.constant.int -1 loc(#loc11)
    %false = torch.constant.bool false loc(#loc11)
    %15 = torch.aten._softmax %14, %int-1, %false : !torch.vtensor<[?,4],f32>, !torch.int, !torch.bool -> !torch.vtensor<[?,4],f32> loc(#loc11)
    torch.bind_symbolic_shape %15, [%0], affine_map<()[s0] -> (s0, 4)> : !torch.vtensor<[?,4],f32> loc(#loc11)
    return %15 : !torch.vtensor<[?,4],f32> loc(#loc8)
  } loc(#loc8)
} loc(#loc)
#loc = loc(unknown)
#loc4 = loc("torch/nn/modules/activation.py":816:0)
#loc5 = loc("torch/nn/modules/normalization.py":228:0)
#loc6 = loc("torch/nn/modules/activation.py":1821:0)
#loc9 = loc(callsite(#loc4 at #loc7))
#loc10 = loc(callsite(#loc5 at #loc7))
#loc11 = loc(callsite(#loc6 at #loc7))

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_16_torch.float32: "0x04000000861EC43DC4BF7BBE73F06E3DBFA91C3E2BAB0EBEB35C963E7E9BBEBCF442243EBD43B33ED953DDBD19BC443E761BCFBD498953BDA16B75BDDFF20FBB4BC408BE",
      torch_tensor_16_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_4_torch.float32: "0x04000000C492863D6E1B343EA055DBBD840AEC3D"
    }
  }
#-}
