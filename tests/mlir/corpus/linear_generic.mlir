"builtin.module"() <{sym_name = "module"}> ({
  "func.func"() <{arg_attrs = [{}], function_type = (!torch.vtensor<[2,4],f32>) -> !torch.vtensor<[2,3],f32>, sym_name = "main"}> ({
  ^bb0(%arg0: !torch.vtensor<[2,4],f32>):
    %0 = "torch.vtensor.literal"() <{value = dense_resource<torch_tensor_3_4_torch.float32> : tensor<3x4xf32>}> : () -> !torch.vtensor<[3,4],f32>
    %1 = "torch.vtensor.literal"() <{value = dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>}> : () -> !torch.vtensor<[3],f32>
    %2 = "torch.aten.linear"(%arg0, %0, %1) : (!torch.vtensor<[2,4],f32>, !torch.vtensor<[3,4],f32>, !torch.vtensor<[3],f32>) -> !torch.vtensor<[2,3],f32>
    "func.return"(%2) : (!torch.vtensor<[2,3],f32>) -> ()
  }) {torch.assume_strict_symbolic_shapes} : () -> ()
}) : () -> ()

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_3_4_torch.float32: "0x04000000005475BB5E54893E16B3D2BE8066BCBEF43245BEEC4B093E404F22BCCEFACA3E70BF35BD4C7B073EACBB1ABE7048C9BD",
      torch_tensor_3_torch.float32: "0x04000000B891F4BE528BA9BEE80E53BE"
    }
  }
#-}
