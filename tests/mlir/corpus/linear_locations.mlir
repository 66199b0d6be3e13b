#loc1 = loc("torch/nn/modules/linear.py":134:0)
module {
  func.func @main(%arg0: !torch.vtensor<[2,4],f32> loc("torch/nn/modules/linear.py":134:0)) -> !torch.vtensor<[2,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense_resource<torch_tensor_3_4_torch.float32> : tensor<3x4xf32>) : !torch.vtensor<[3,4],f32> loc(#loc1)
    %int1 = torch.constant.int 1 loc(#loc1)
    %int0 = torch.constant.int 0 loc(#loc1)
    %1 = torch.prim.ListConstruct %int1, %int0 : (!torch.int, !torch.int) -> !torch.list<int> loc(#loc1)
    %2 = torch.aten.permute %0, %1 : !torch.vtensor<[3,4],f32>, !torch.list<int> -> !torch.vtensor<[4,3],f32> loc(#loc1)
    %3 = torch.vtensor.literal(dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>) : !torch.vtensor<[3],f32> loc(#loc1)
    %int1_0 = torch.constant.int 1 loc(#loc1)
    %int1_1 = torch.constant.int 1 loc(#loc1)
    %4 = torch.aten.addmm %3, %arg0, %2, %int1_0, %int1_1 : !torch.vtensor<[3],f32>, !torch.vtensor<[2,4],f32>, !torch.vtensor<[4,3],f32>, !torch.int, !torch.int -> !torch.vtensor<[2,3],f32> loc(#loc1)
    return %4 : !torch.vtensor<[2,3],f32> loc(#loc1)
  } loc(#loc1)
} loc(#loc)
#loc = loc(unknown)

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_3_4_torch.float32: "0x04000000005475BB5E54893E16B3D2BE8066BCBEF43245BEEC4B093E404F22BCCEFACA3E70BF35BD4C7B073EACBB1ABE7048C9BD",
      torch_tensor_3_torch.float32: "0x04000000B891F4BE528BA9BEE80E53BE"
    }
  }
#-}
