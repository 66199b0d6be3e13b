module @module {
  func.func @main(%arg0: !torch.vtensor<[1,3,32,32],f32>) -> !torch.vtensor<[1,3],f32> attributes {torch.assume_strict_symbolic_shapes} {
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
    %5 = torch.aten.conv2d %arg0, %0, %1, %2, %3, %4, %int1_4 : !torch.vtensor<[1,3,32,32],f32>, !torch.vtensor<[8,3,3,3],f32>, !torch.vtensor<[8],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,16,16],f32>
    %6 = torch.vtensor.literal(dense<0.015625> : tensor<16x8x1x1xf32>) : !torch.vtensor<[16,8,1,1],f32>
    %none = torch.constant.none
    %int1_5 = torch.constant.int 1
    %int1_6 = torch.constant.int 1
    %7 = torch.prim.ListConstruct %int1_5, %int1_6 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0 = torch.constant.int 0
    %int0_7 = torch.constant.int 0
    %8 = torch.prim.ListConstruct %int0, %int0_7 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_8 = torch.constant.int 1
    %int1_9 = torch.constant.int 1
    %9 = torch.prim.ListConstruct %int1_8, %int1_9 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_10 = torch.constant.int 1
    %10 = torch.aten.conv2d %5, %6, %none, %7, %8, %9, %int1_10 : !torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[16,8,1,1],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,16,16],f32>
    %11 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %12 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_1> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %13 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_2> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %14 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_3> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-01 = torch.constant.float 1.000000e-01
    %float1.000000e-05 = torch.constant.float 1.000000e-05
    %15:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%10, %11, %12, %13, %14, %float1.000000e-01, %float1.000000e-05) : (!torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %16 = torch.aten.hardswish %15#0 : !torch.vtensor<[1,16,16,16],f32> -> !torch.vtensor<[1,16,16,16],f32>
    %17 = torch.vtensor.literal(dense<0.015625> : tensor<16x1x5x5xf32>) : !torch.vtensor<[16,1,5,5],f32>
    %none_11 = torch.constant.none
    %int1_12 = torch.constant.int 1
    %int1_13 = torch.constant.int 1
    %18 = torch.prim.ListConstruct %int1_12, %int1_13 : (!torch.int, !torch.int) -> !torch.list<int>
    %int2_14 = torch.constant.int 2
    %int2_15 = torch.constant.int 2
    %19 = torch.prim.ListConstruct %int2_14, %int2_15 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_16 = torch.constant.int 1
    %int1_17 = torch.constant.int 1
    %20 = torch.prim.ListConstruct %int1_16, %int1_17 : (!torch.int, !torch.int) -> !torch.list<int>
    %int16 = torch.constant.int 16
    %21 = torch.aten.conv2d %16, %17, %none_11, %18, %19, %20, %int16 : !torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[16,1,5,5],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,16,16],f32>
    %22 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_4> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %23 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_5> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %24 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_6> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %25 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_7> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %float1.000000e-01_18 = torch.constant.float 1.000000e-01
    %float1.000000e-05_19 = torch.constant.float 1.000000e-05
    %26:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%21, %22, %23, %24, %25, %float1.000000e-01_18, %float1.000000e-05_19) : (!torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.vtensor<[16],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %float0.000000e00 = torch.constant.float 0.000000e+00
    %float6.000000e00 = torch.constant.float 6.000000e+00
    %27 = torch.aten.hardtanh %26#0, %float0.000000e00, %float6.000000e00 : !torch.vtensor<[1,16,16,16],f32>, !torch.float, !torch.float -> !torch.vtensor<[1,16,16,16],f32>
    %int1_20 = torch.constant.int 1
    %int1_21 = torch.constant.int 1
    %28 = torch.prim.ListConstruct %int1_20, %int1_21 : (!torch.int, !torch.int) -> !torch.list<int>
    %29 = torch.aten.adaptive_avg_pool2d %27, %28 : !torch.vtensor<[1,16,16,16],f32>, !torch.list<int> -> !torch.vtensor<[1,16,1,1],f32>
    %30 = torch.vtensor.literal(dense<0.015625> : tensor<4x16x1x1xf32>) : !torch.vtensor<[4,16,1,1],f32>
    %31 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %int1_22 = torch.constant.int 1
    %int1_23 = torch.constant.int 1
    %32 = torch.prim.ListConstruct %int1_22, %int1_23 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_24 = torch.constant.int 0
    %int0_25 = torch.constant.int 0
    %33 = torch.prim.ListConstruct %int0_24, %int0_25 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_26 = torch.constant.int 1
    %int1_27 = torch.constant.int 1
    %34 = torch.prim.ListConstruct %int1_26, %int1_27 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_28 = torch.constant.int 1
    %35 = torch.aten.conv2d %29, %30, %31, %32, %33, %34, %int1_28 : !torch.vtensor<[1,16,1,1],f32>, !torch.vtensor<[4,16,1,1],f32>, !torch.vtensor<[4],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,4,1,1],f32>
    %36 = torch.aten.relu %35 : !torch.vtensor<[1,4,1,1],f32> -> !torch.vtensor<[1,4,1,1],f32>
    %37 = torch.vtensor.literal(dense<0.015625> : tensor<16x4x1x1xf32>) : !torch.vtensor<[16,4,1,1],f32>
    %38 = torch.vtensor.literal(dense_resource<torch_tensor_16_torch.float32_8> : tensor<16xf32>) : !torch.vtensor<[16],f32>
    %int1_29 = torch.constant.int 1
    %int1_30 = torch.constant.int 1
    %39 = torch.prim.ListConstruct %int1_29, %int1_30 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_31 = torch.constant.int 0
    %int0_32 = torch.constant.int 0
    %40 = torch.prim.ListConstruct %int0_31, %int0_32 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_33 = torch.constant.int 1
    %int1_34 = torch.constant.int 1
    %41 = torch.prim.ListConstruct %int1_33, %int1_34 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_35 = torch.constant.int 1
    %42 = torch.aten.conv2d %36, %37, %38, %39, %40, %41, %int1_35 : !torch.vtensor<[1,4,1,1],f32>, !torch.vtensor<[16,4,1,1],f32>, !torch.vtensor<[16],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,16,1,1],f32>
    %43 = torch.aten.hardsigmoid %42 : !torch.vtensor<[1,16,1,1],f32> -> !torch.vtensor<[1,16,1,1],f32>
    %44 = torch.aten.mul.Tensor %27, %43 : !torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[1,16,1,1],f32> -> !torch.vtensor<[1,16,16,16],f32>
    %45 = torch.vtensor.literal(dense<0.015625> : tensor<8x16x1x1xf32>) : !torch.vtensor<[8,16,1,1],f32>
    %none_36 = torch.constant.none
    %int1_37 = torch.constant.int 1
    %int1_38 = torch.constant.int 1
    %46 = torch.prim.ListConstruct %int1_37, %int1_38 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_39 = torch.constant.int 0
    %int0_40 = torch.constant.int 0
    %47 = torch.prim.ListConstruct %int0_39, %int0_40 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_41 = torch.constant.int 1
    %int1_42 = torch.constant.int 1
    %48 = torch.prim.ListConstruct %int1_41, %int1_42 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_43 = torch.constant.int 1
    %49 = torch.aten.conv2d %44, %45, %none_36, %46, %47, %48, %int1_43 : !torch.vtensor<[1,16,16,16],f32>, !torch.vtensor<[8,16,1,1],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,16,16],f32>
    %50 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_1> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %51 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_2> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %52 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_3> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %53 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_4> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %float1.000000e-01_44 = torch.constant.float 1.000000e-01
    %float1.000000e-05_45 = torch.constant.float 1.000000e-05
    %54:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%49, %50, %51, %52, %53, %float1.000000e-01_44, %float1.000000e-05_45) : (!torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %int1_46 = torch.constant.int 1
    %55 = torch.aten.add.Tensor %5, %54#0, %int1_46 : !torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[1,8,16,16],f32>, !torch.int -> !torch.vtensor<[1,8,16,16],f32>
    %56 = torch.vtensor.literal(dense<0.015625> : tensor<24x8x1x1xf32>) : !torch.vtensor<[24,8,1,1],f32>
    %none_47 = torch.constant.none
    %int1_48 = torch.constant.int 1
    %int1_49 = torch.constant.int 1
    %57 = torch.prim.ListConstruct %int1_48, %int1_49 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_50 = torch.constant.int 0
    %int0_51 = torch.constant.int 0
    %58 = torch.prim.ListConstruct %int0_50, %int0_51 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_52 = torch.constant.int 1
    %int1_53 = torch.constant.int 1
    %59 = torch.prim.ListConstruct %int1_52, %int1_53 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_54 = torch.constant.int 1
    %60 = torch.aten.conv2d %55, %56, %none_47, %57, %58, %59, %int1_54 : !torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[24,8,1,1],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,24,16,16],f32>
    %61 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %62 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %63 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %64 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %float1.000000e-01_55 = torch.constant.float 1.000000e-01
    %float1.000000e-05_56 = torch.constant.float 1.000000e-05
    %65:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%60, %61, %62, %63, %64, %float1.000000e-01_55, %float1.000000e-05_56) : (!torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[24],f32>, !torch.vtensor<[24],f32>, !torch.vtensor<[24],f32>, !torch.vtensor<[24],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %66 = torch.aten.hardswish %65#0 : !torch.vtensor<[1,24,16,16],f32> -> !torch.vtensor<[1,24,16,16],f32>
    %67 = torch.vtensor.literal(dense<0.015625> : tensor<24x1x5x5xf32>) : !torch.vtensor<[24,1,5,5],f32>
    %none_57 = torch.constant.none
    %int1_58 = torch.constant.int 1
    %int1_59 = torch.constant.int 1
    %68 = torch.prim.ListConstruct %int1_58, %int1_59 : (!torch.int, !torch.int) -> !torch.list<int>
    %int2_60 = torch.constant.int 2
    %int2_61 = torch.constant.int 2
    %69 = torch.prim.ListConstruct %int2_60, %int2_61 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_62 = torch.constant.int 1
    %int1_63 = torch.constant.int 1
    %70 = torch.prim.ListConstruct %int1_62, %int1_63 : (!torch.int, !torch.int) -> !torch.list<int>
    %int24 = torch.constant.int 24
    %71 = torch.aten.conv2d %66, %67, %none_57, %68, %69, %70, %int24 : !torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[24,1,5,5],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,24,16,16],f32>
    %72 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %73 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %74 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %75 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %float1.000000e-01_64 = torch.constant.float 1.000000e-01
    %float1.000000e-05_65 = torch.constant.float 1.000000e-05
    %76:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%71, %72, %73, %74, %75, %float1.000000e-01_64, %float1.000000e-05_65) : (!torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[24],f32>, !torch.vtensor<[24],f32>, !torch.vtensor<[24],f32>, !torch.vtensor<[24],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %float0.000000e00_66 = torch.constant.float 0.000000e+00
    %float6.000000e00_67 = torch.constant.float 6.000000e+00
    %77 = torch.aten.hardtanh %76#0, %float0.000000e00_66, %float6.000000e00_67 : !torch.vtensor<[1,24,16,16],f32>, !torch.float, !torch.float -> !torch.vtensor<[1,24,16,16],f32>
    %int1_68 = torch.constant.int 1
    %int1_69 = torch.constant.int 1
    %78 = torch.prim.ListConstruct %int1_68, %int1_69 : (!torch.int, !torch.int) -> !torch.list<int>
    %79 = torch.aten.adaptive_avg_pool2d %77, %78 : !torch.vtensor<[1,24,16,16],f32>, !torch.list<int> -> !torch.vtensor<[1,24,1,1],f32>
    %80 = torch.vtensor.literal(dense<0.015625> : tensor<4x24x1x1xf32>) : !torch.vtensor<[4,24,1,1],f32>
    %81 = torch.vtensor.literal(dense_resource<torch_tensor_4_torch.float32_1> : tensor<4xf32>) : !torch.vtensor<[4],f32>
    %int1_70 = torch.constant.int 1
    %int1_71 = torch.constant.int 1
    %82 = torch.prim.ListConstruct %int1_70, %int1_71 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_72 = torch.constant.int 0
    %int0_73 = torch.constant.int 0
    %83 = torch.prim.ListConstruct %int0_72, %int0_73 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_74 = torch.constant.int 1
    %int1_75 = torch.constant.int 1
    %84 = torch.prim.ListConstruct %int1_74, %int1_75 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_76 = torch.constant.int 1
    %85 = torch.aten.conv2d %79, %80, %81, %82, %83, %84, %int1_76 : !torch.vtensor<[1,24,1,1],f32>, !torch.vtensor<[4,24,1,1],f32>, !torch.vtensor<[4],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,4,1,1],f32>
    %86 = torch.aten.relu %85 : !torch.vtensor<[1,4,1,1],f32> -> !torch.vtensor<[1,4,1,1],f32>
    %87 = torch.vtensor.literal(dense<0.015625> : tensor<24x4x1x1xf32>) : !torch.vtensor<[24,4,1,1],f32>
    %88 = torch.vtensor.literal(dense<0.015625> : tensor<24xf32>) : !torch.vtensor<[24],f32>
    %int1_77 = torch.constant.int 1
    %int1_78 = torch.constant.int 1
    %89 = torch.prim.ListConstruct %int1_77, %int1_78 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_79 = torch.constant.int 0
    %int0_80 = torch.constant.int 0
    %90 = torch.prim.ListConstruct %int0_79, %int0_80 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_81 = torch.constant.int 1
    %int1_82 = torch.constant.int 1
    %91 = torch.prim.ListConstruct %int1_81, %int1_82 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_83 = torch.constant.int 1
    %92 = torch.aten.conv2d %86, %87, %88, %89, %90, %91, %int1_83 : !torch.vtensor<[1,4,1,1],f32>, !torch.vtensor<[24,4,1,1],f32>, !torch.vtensor<[24],f32>, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,24,1,1],f32>
    %93 = torch.aten.hardsigmoid %92 : !torch.vtensor<[1,24,1,1],f32> -> !torch.vtensor<[1,24,1,1],f32>
    %94 = torch.aten.mul.Tensor %77, %93 : !torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[1,24,1,1],f32> -> !torch.vtensor<[1,24,16,16],f32>
    %95 = torch.vtensor.literal(dense<0.015625> : tensor<8x24x1x1xf32>) : !torch.vtensor<[8,24,1,1],f32>
    %none_84 = torch.constant.none
    %int1_85 = torch.constant.int 1
    %int1_86 = torch.constant.int 1
    %96 = torch.prim.ListConstruct %int1_85, %int1_86 : (!torch.int, !torch.int) -> !torch.list<int>
    %int0_87 = torch.constant.int 0
    %int0_88 = torch.constant.int 0
    %97 = torch.prim.ListConstruct %int0_87, %int0_88 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_89 = torch.constant.int 1
    %int1_90 = torch.constant.int 1
    %98 = torch.prim.ListConstruct %int1_89, %int1_90 : (!torch.int, !torch.int) -> !torch.list<int>
    %int1_91 = torch.constant.int 1
    %99 = torch.aten.conv2d %94, %95, %none_84, %96, %97, %98, %int1_91 : !torch.vtensor<[1,24,16,16],f32>, !torch.vtensor<[8,24,1,1],f32>, !torch.none, !torch.list<int>, !torch.list<int>, !torch.list<int>, !torch.int -> !torch.vtensor<[1,8,16,16],f32>
    %100 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_5> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %101 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_6> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %102 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_7> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %103 = torch.vtensor.literal(dense_resource<torch_tensor_8_torch.float32_8> : tensor<8xf32>) : !torch.vtensor<[8],f32>
    %float1.000000e-01_92 = torch.constant.float 1.000000e-01
    %float1.000000e-05_93 = torch.constant.float 1.000000e-05
    %104:3 = torch.operator "torch.aten._native_batch_norm_legit_no_training"(%99, %100, %101, %102, %103, %float1.000000e-01_92, %float1.000000e-05_93) : (!torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.vtensor<[8],f32>, !torch.float, !torch.float) -> (!torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[0],f32>, !torch.vtensor<[0],f32>) 
    %int1_94 = torch.constant.int 1
    %105 = torch.aten.add.Tensor %55, %104#0, %int1_94 : !torch.vtensor<[1,8,16,16],f32>, !torch.vtensor<[1,8,16,16],f32>, !torch.int -> !torch.vtensor<[1,8,16,16],f32>
    %int2_95 = torch.constant.int 2
    %int3 = torch.constant.int 3
    %106 = torch.prim.ListConstruct %int2_95, %int3 : (!torch.int, !torch.int) -> !torch.list<int>
    %false = torch.constant.bool false
    %none_96 = torch.constant.none
    %107 = torch.aten.mean.dim %105, %106, %false, %none_96 : !torch.vtensor<[1,8,16,16],f32>, !torch.list<int>, !torch.bool, !torch.none -> !torch.vtensor<[1,8],f32>
    %108 = torch.vtensor.literal(dense<0.015625> : tensor<3x8xf32>) : !torch.vtensor<[3,8],f32>
    %109 = torch.vtensor.literal(dense_resource<torch_tensor_3_torch.float32> : tensor<3xf32>) : !torch.vtensor<[3],f32>
    %110 = torch.aten.linear %107, %108, %109 : !torch.vtensor<[1,8],f32>, !torch.vtensor<[3,8],f32>, !torch.vtensor<[3],f32> -> !torch.vtensor<[1,3],f32>
    return %110 : !torch.vtensor<[1,3],f32>
  }
}

{-#
  dialect_resources: {
    builtin: {
      torch_tensor_8_torch.float32: "0x04000000F7251ABE7B94CEBDB7211F3E3CEE1FBE8B6962BCBCF2423E8E608E3D3E8CB23B",
      torch_tensor_16_torch.float32: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_1: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_2: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_3: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_4: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_16_torch.float32_5: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_6: "0x0400000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_16_torch.float32_7: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_4_torch.float32: "0x0400000090C3C9BDE6A4543EA0C786BC084DE83D",
      torch_tensor_16_torch.float32_8: "0x040000007E43953EBC82893E30458E3EFA62CBBE5014573D5043EE3EB8DE8EBE74BCE33EC492063E6E1BB43EA0555BBE840A6C3EDCF0E2BEF00902BD38C72A3EC48B193E",
      torch_tensor_8_torch.float32_1: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_2: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_3: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_4: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_4_torch.float32_1: "0x04000000C4D11A3CFF8B703D0F1AA63D52FA1D3E",
      torch_tensor_8_torch.float32_5: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_8_torch.float32_6: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_7: "0x040000000000000000000000000000000000000000000000000000000000000000000000",
      torch_tensor_8_torch.float32_8: "0x040000000000803F0000803F0000803F0000803F0000803F0000803F0000803F0000803F",
      torch_tensor_3_torch.float32: "0x04000000F5EB453EEDD8F0BD4DB912BE"
    }
  }
#-}
