module @module {
  util.global private @__auto.constant_8_3_7_7_torch.float32 = dense<0.015625> : tensor<8x3x7x7xf32>
  util.global private @__auto.constant_16_8_3_3_torch.float32 = dense<0.015625> : tensor<16x8x3x3xf32>
  util.global private @__auto.constant_16_16_3_3_torch.float32 = dense<0.015625> : tensor<16x16x3x3xf32>
  func.func @main(%arg0: !torch.vtensor<[1,3,32,32],f32>) -> !torch.vtensor<[1,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
    %__auto.constant_8_3_7_7_torch.float32 = util.global.load @__auto.constant_8_3_7_7_torch.float32 : tensor<8x3x7x7xf32>
    %0 = torch_c.from_builtin_tensor %__auto.constant_8_3_7_7_torch.float32 : tensor<8x3x7x7xf32> -> !torch.vtensor<[8,3,7,7],f32>
    %none = torch.constant.none
    %int2 = torch.constant.int 2
    %int2_0 = torch.constant.int 2
    %1 = torch.prim.ListConstruct %int2, %int2_0 : (!torch.int, !torch.int) -> !torch.list<int>
    %int3 = torch.constant.int 3
    %int3_1 = torch.constant.int 3
    %2 = torch.prim.ListConstruct %int3, %int3_1 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1 = torch.constant.int 1
    %int1_2 = torch.constant.int 1
    %3 = torch.prim.ListConstruct %int1, %int1_2 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_3 = torch.constant.int 1
    %4 = torch.aten.conv2d %arg0, %0, %none, %1, %2, %3, %int1_3 : !torch.vtensor<[1,3,32,32],f32>, !torch.vtensor<[8,3,7,7],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,16,16],f32>
    %5 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %6 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %7 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %8 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_3> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %float1.000000e-01 = torch.constant.float 1.000000e-01
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %9:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%4, %5, %6, %7, %8, %float1.000000e-01, %float1.000000e-05) : (!torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %10 = torch.aten.relu %9#0 : !torch.vtensor<[1,8,16,16],f32> -> !torch.vtensor<[1,8,16,16],f32>
    %int3_4 = torch.constant.int 3
    %int3_5 = torch.constant.int 3
    %11 = torch.prim.ListConstruct %int3_4, %int3_5 : (!torch.int, !torch.int) -> !torch.list<int>
    %int2_6 = torch.constant.int 2
    %int2_7 = torch.constant.int 2
    %12 = torch.prim.ListConstruct %int2_6, %int2_7 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_8 = torch.constant.int 1
    %int1_9 = torch.constant.int 1
    %13 = torch.prim.ListConstruct %int1_8, %int1_9 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_10 = torch.constant.int 1
    %int1_11 = torch.constant.int 1
    %14 = torch.prim.ListConstruct %int1_10, %int1_11 : (!torch.int, !torch.int) -> !torch.list<int>
    %false = torch.constant.bool false
    %15 = torch.aten.max_pool2d %10, %11, %12, %13, %14, %false : !torch.vtensor<[1,8,16,16],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.bool -> !torch.vtensor<[1,8,8,8],f32>
    %16 = torch.vtensor.literal(dense<0.015625> : tensor<8x8x3x3xf32>) : !torch.vtensor<[8,8,3,3],f32>
    %none_12 = torch.constant.none
    %int1_13 = torch.constant.int 1
    %int1_14 = torch.constant.int 1
    %17 = torch.prim.ListConstruct %int1_13, %int1_14 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_15 = torch.constant.int 1
    %int1_16 = torch.constant.int 1
    %18 = torch.prim.ListConstruct %int1_15, %int1_16 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_17 = torch.constant.int 1
    %int1_18 = torch.constant.int 1
    %19 = torch.prim.ListConstruct %int1_17, %int1_18 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_19 = torch.constant.int 1
    %20 = torch.aten.conv2d %15, %16, %none_12, %17, %18, %19, %int1_19 : !torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[8,8,3,3],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,8,8],f32>
    %21 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_4> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %22 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_5> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %23 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_6> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %24 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_7> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %float1.000000e-01_20 = torch.constant.float 1.000000e-01
    %float1.000000e-05_21 = torch.constant.float 1.000000e-05
    %25:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%20, %21, %22, %23, %24, %float1.000000e-01_20, %float1.000000e-05_21) : (!torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %26 = torch.aten.relu %25#0 : !torch.vtensor<[1,8,8,8],f32> -> !torch.vtensor<[1,8,8,8],f32>
    %27 = torch.vtensor.literal(dense<0.015625> : tensor<8x8x3x3xf32>) : !torch.vtensor<[8,8,3,3],f32>
    %none_22 = torch.constant.none
    %int1_23 = torch.constant.int 1
    %int1_24 = torch.constant.int 1
    %28 = torch.prim.ListConstruct %int1_23, %int1_24 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_25 = torch.constant.int 1
    %int1_26 = torch.constant.int 1
    %29 = torch.prim.ListConstruct %int1_25, %int1_26 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_27 = torch.constant.int 1
    %int1_28 = torch.constant.int 1
    %30 = torch.prim.ListConstruct %int1_27, %int1_28 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_29 = torch.constant.int 1
    %31 = torch.aten.conv2d %26, %27, %none_22, %28, %29, %30, %int1_29 : !torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[8,8,3,3],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,8,8],f32>
    %32 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_8> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %33 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_9> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %34 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_10> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %35 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_11> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %float1.000000e-01_30 = torch.constant.float 1.000000e-01
    %float1.000000e-05_31 = torch.constant.float 1.000000e-05
    %36:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%31, %32, %33, %34, %35, %float1.000000e-01_30, %float1.000000e-05_31) : (!torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %int1_32 = torch.constant.int 1
    %37 = torch.aten.add.Tensor %36#0, %15, %int1_32 : !torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[1,8,8,8],f32>, !torch.int -> !torch.vtensor<[1,8,8,8],f32>
    %38 = torch.aten.relu %37 : !torch.vtensor<[1,8,8,8],f32> -> !torch.vtensor<[1,8,8,8],f32>
    %__auto.constant_16_8_3_3_torch.float32 = util.global.load @__auto.constant_16_8_3_3_torch.float32 : tensor<16x8x3x3xf32>
    %39 = torch_c.from_builtin_tensor %__auto.constant_16_8_3_3_torch.float32 : tensor<16x8x3x3xf32> -> !torch.vtensor<[16,8,3,3],f32>
    %none_33 = torch.constant.none
    %int2_34 = torch.constant.int 2
    %int2_35 = torch.constant.int 2
    %40 = torch.prim.ListConstruct %int2_34, %int2_35 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_36 = torch.constant.int 1
    %int1_37 = torch.constant.int 1
    %41 = torch.prim.ListConstruct %int1_36, %int1_37 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_38 = torch.constant.int 1
    %int1_39 = torch.constant.int 1
    %42 = torch.prim.ListConstruct %int1_38, %int1_39 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_40 = torch.constant.int 1
    %43 = torch.aten.conv2d %38, %39, %none_33, %40, %41, %42, %int1_40 : !torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[16,8,3,3],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,4,4],f32>
    %44 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %45 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %46 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %47 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_3> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-01_41 = torch.constant.float 1.000000e-01
    %float1.000000e-05_42 = torch.constant.float 1.000000e-05
    %48:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%43, %44, %45, %46, %47, %float1.000000e-01_41, %float1.000000e-05_42) : (!torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %49 = torch.aten.relu %48#0 : !torch.vtensor<[1,16,4,4],f32> -> !torch.vtensor<[1,16,4,4],f32>
    %__auto.constant_16_16_3_3_torch.float32 = util.global.load @__auto.constant_16_16_3_3_torch.float32 : tensor<16x16x3x3xf32>
    %50 = torch_c.from_builtin_tensor %__auto.constant_16_16_3_3_torch.float32 : tensor<16x16x3x3xf32> -> !torch.vtensor<[16,16,3,3],f32>
    %none_43 = torch.constant.none
    %int1_44 = torch.constant.int 1
    %int1_45 = torch.constant.int 1
    %51 = torch.prim.ListConstruct %int1_44, %int1_45 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_46 = torch.constant.int 1
    %int1_47 = torch.constant.int 1
    %52 = torch.prim.ListConstruct %int1_46, %int1_47 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_48 = torch.constant.int 1
    %int1_49 = torch.constant.int 1
    %53 = torch.prim.ListConstruct %int1_48, %int1_49 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_50 = torch.constant.int 1
    %54 = torch.aten.conv2d %49, %50, %none_43, %51, %52, %53, %int1_50 : !torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[16,16,3,3],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,4,4],f32>
    %55 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_4> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %56 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_5> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %57 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_6> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %58 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_7> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-01_51 = torch.constant.float 1.000000e-01
    %float1.000000e-05_52 = torch.constant.float 1.000000e-05
    %59:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%54, %55, %56, %57, %58, %float1.000000e-01_51, %float1.000000e-05_52) : (!torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %60 = torch.vtensor.literal(dense<0.015625> : tensor<16x8x1x1xf32>) : !torch.vtensor<[16,8,1,1],f32>
    %none_53 = torch.constant.none
    %int2_54 = torch.constant.int 2
    %int2_55 = torch.constant.int 2
    %61 = torch.prim.ListConstruct %int2_54, %int2_55 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0 = torch.constant.int 0
    %int0_56 = torch.constant.int 0
    %62 = torch.prim.ListConstruct %int0, %int0_56 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_57 = torch.constant.int 1
    %int1_58 = torch.constant.int 1
    %63 = torch.prim.ListConstruct %int1_57, %int1_58 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_59 = torch.constant.int 1
    %64 = torch.aten.conv2d %38, %60, %none_53, %61, %62, %63, %int1_59 : !torch.vtensor<[1,8,8,8],f32>, !torch.vtensor<[16,8,1,1],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,4,4],f32>
    %65 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_8> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %66 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_9> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %67 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_10> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %68 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_11> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-01_60 = torch.constant.float 1.000000e-01
    %float1.000000e-05_61 = torch.constant.float 1.000000e-05
    %69:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%64, %65, %66, %67, %68, %float1.000000e-01_60, %float1.000000e-05_61) : (!torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %int1_62 = torch.constant.int 1
    %70 = torch.aten.add.Tensor %59#0, %69#0, %int1_62 : !torch.vtensor<[1,16,4,4],f32>, !torch.vtensor<[1,16,4,4],f32>, !torch.int -> !torch.vtensor<[1,16,4,4],f32>
    %71 = torch.aten.relu %70 : !torch.vtensor<[1,16,4,4],f32> -> !torch.vtensor<[1,16,4,4],f32>
    %int1_63 = torch.constant.int 1
    %int1_64 = torch.constant.int 1
    %72 = torch.prim.ListConstruct %int1_63, %int1_64 : (!torch.int, !torch.int) -> !torch.list<int>
    %73 = torch.aten.adaptive_avg_pool2d %71, %72 : !torch.vtensor<[1,16,4,4],f32>, !torch.list<int> -> !torch.vtensor<[1,16,1,1],f32>
    %int1_65 = torch.constant.int 1
    %int16 = torch.constant.int 16
    %74 = torch.prim.ListConstruct %int1_65, %int16 : (!torch.int, !torch.int) -> !torch.list<int>
    %75 = torch.aten.view %73, %74 : !torch.vtensor<[1,16,1,1],f32>, !torch.list<int> -> !torch.vtensor<[1,16],f32>
    %76 = torch.vtensor.literal(dense<0.015625> : tensor<3x16xf32>) : !torch.vtensor<[3,16],f32>
    %77 = torch.vtensor.literal(dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>) : !torch.vtensor<[3],f32>
    %78 = torch.aten.linear %75, %76, %77 : !torch.vtensor<[1,16],f32>, !torch.vtensor<[3,16],f32>, !torch.vtensor<[3],f32> -> !torch.vtensor<[1,3],f32>
    return %78 : !torch.vtensor<[1,3],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_8_torch.float32: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_1: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_2: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_3: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_4: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_5: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_6: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_7: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_8: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_9: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_10: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_11: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_1: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_3: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_4: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_5: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_6: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_7: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_8: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_9: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_10: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_11: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_3_torch.float32: "0x0400000078236F3EC80383BDD87A07BD"
    }
  }
#-}
