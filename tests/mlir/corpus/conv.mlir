module @module {
  func.func @main(%arg0: !torch.vtensor<[1,3,16,16],f32>) -> !torch.vtensor<[1,5],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %0 = torch.vtensor.literal(dense<0.015625> : tensor<8x3x3x3xf32>) : !torch.vtensor<[8,3,3,3],f32>
    %1 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %int2 = torch.constant.int 2
    %int2_0 = torch.constant.int 2
    %2 = torch.prim.ListConstruct %int2, %int2_0 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1 = torch.constant.int 1
    %int1_1 = torch.constant.int 1
    %3 = torch.prim.ListConstruct %int1, %int1_1 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_2 = torch.constant.int 1
    %int1_3 = torch.constant.int 1
    %4 = torch.prim.ListConstruct %int1_2, %int1_3 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_4 = torch.constant.int 1
    %5 = torch.aten.conv2d %arg0, %0, %1, %2, %3, %4, %int1_4 : !torch.vtensor<[1,3,16,16],f32>, !torch.vtensor<[8,3,3,3],f32>, !torch.vtensor<[8],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,8,8],f32>
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %7 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %8 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_3> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %9 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_4> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %false = torch.constant.bool false
    %float1.000000e-01 = torch.constant.float 1.000000e-01
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %false_5 = torch.constant.bool false
    %10 = torch.aten.batch_norm %5, %6, %7, %8, %9, %false, %float1.000000e-01, %float1.000000e-05, %false_5 : !torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.bool, !torch.float, !torch.float, !torch.bool -> !torch.vtensor<[1,8,8,8],f32>
    %11 = torch.aten.relu %10 : !torch.vtensor<[1,8,8,8],f32> -> !torch.vtensor<[1,8,8,8],f32>
    %int2_6 = torch.constant.int 2
    %int2_7 = torch.constant.int 2
    %12 = torch.prim.ListConstruct %int2_6, %int2_7 : (!torch.int, !torch.int) -> !torch.list<int>
    %int2_8 = torch.constant.int 2
    %int2_9 = torch.constant.int 2
    %13 = torch.prim.ListConstruct %int2_8, %int2_9 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0 = torch.constant.int 0
    %int0_10 = torch.constant.int 0
    %14 = torch.prim.ListConstruct %int0, %int0_10 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_11 = torch.constant.int 1
    %int1_12 = torch.constant.int 1
    %15 = torch.prim.ListConstruct %int1_11, %int1_12 : (!torch.int, !torch.int) -> !torch.list<int>
    %false_13 = torch.constant.bool false
    %16 = torch.aten.max_pool2d %11, %12, %13, %14, %15, %false_13 : !torch.vtensor<[1,8,8,8],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.bool -> !torch.vtensor<[1,8,4,4],f32>
    %17 = torch.vtensor.literal(dense<0.015625> : tensor<8x1x3x3xf32>) : !torch.vtensor<[8,1,3,3],f32>
    %none = torch.constant.none
    %int1_14 = torch.constant.int 1
    %int1_15 = torch.constant.int 1
    %18 = torch.prim.ListConstruct %int1_14, %int1_15 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_16 = torch.constant.int 1
    %int1_17 = torch.constant.int 1
    %19 = torch.prim.ListConstruct %int1_16, %int1_17 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_18 = torch.constant.int 1
    %int1_19 = torch.constant.int 1
    %20 = torch.prim.ListConstruct %int1_18, %int1_19 : (!torch.int, !torch.int) -> !torch.list<int>
    %int8 = torch.constant.int 8
    %21 = torch.aten.conv2d %16, %17, %none, %18, %19, %20, %int8 : !torch.vtensor<[1,8,4,4],f32>, !torch.vtensor<[8,1,3,3],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,4,4],f32>
    %22 = torch.aten.silu %21 : !torch.vtensor<[1,8,4,4],f32> -> !torch.vtensor<[1,8,4,4],f32>
    %23 = torch.vtensor.literal(dense<0.015625> : tensor<8x4x2x2xf32>) : !torch.vtensor<[8,4,2,2],f32>
    %24 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %int2_20 = torch.constant.int 2
    %int2_21 = torch.constant.int 2
    %25 = torch.prim.ListConstruct %int2_20, %int2_21 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_22 = torch.constant.int 0
    %int0_23 = torch.constant.int 0
    %26 = torch.prim.ListConstruct %int0_22, %int0_23 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_24 = torch.constant.int 0
    %int0_25 = torch.constant.int 0
    %27 = torch.prim.ListConstruct %int0_24, %int0_25 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_26 = torch.constant.int 1
    %int1_27 = torch.constant.int 1
    %int1_28 = torch.constant.int 1
    %28 = torch.prim.ListConstruct %int1_27, %int1_28 : (!torch.int, !torch.int) -> !torch.list<int>
    %29 = torch.aten.conv_transpose2d.input %22, %23, %24, %25, %26, %27, %int1_26, %28 : !torch.vtensor<[1,8,4,4],f32>, !torch.vtensor<[8,4,2,2],f32>, !torch.vtensor<[4],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int, !torch.list<int> -> !torch.vtensor<[1,4,8,8],f32>
    %int1_29 = torch.constant.int 1
    %int1_30 = torch.constant.int 1
    %30 = torch.prim.ListConstruct %int1_29, %int1_30 : (!torch.int, !torch.int) -> !torch.list<int>
    %31 = torch.aten.adaptive_avg_pool2d %29, %30 : !torch.vtensor<[1,4,8,8],f32>, !torch.list<int> -> !torch.vtensor<[1,4,1,1],f32>
    %int1_31 = torch.constant.int 1
    %int-1 = torch.constant.int -1
    %32 = torch.aten.flatten.using_ints %31, %int1_31, %int-1 : !torch.vtensor<[1,4,1,1],f32>, !torch.int, !torch.int -> !torch.vtensor<[1,4],f32>
    %33 = torch.vtensor.literal(dense<0.015625> : tensor<5x4xf32>) : !torch.vtensor<[5,4],f32>
    %34 = torch.vtensor.literal(dense_resource<torch_tensor_5_torch.float32> : tensor<5xf32>) : !torch.vtensor<[5],f32>
    %35 = torch.aten.linear %32, %33, %34 : !torch.vtensor<[1,4],f32>, !torch.vtensor<[5,4],f32>, !torch.vtensor<[5],f32> -> !torch.vtensor<[1,5],f32>
    return %35 : !torch.vtensor<[1,5],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_8_torch.float32: "0x04000000F7251ABE7B94CEBDB7211F3E3CEE1FBE8B6962BCBCF2423E8E608E3D3E8CB23B",
      torch_tensor_8_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_2: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_3: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_4: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_4_torch.float32: "0x04000000FCF8FD3DE0F769BEB03C37BDB83E3EBE",
      torch_tensor_5_torch.float32: "0x0400000020CABA3C10D7E6BEE84ED43E6ED7893E8076FE3E"
    }
  }
#-}
